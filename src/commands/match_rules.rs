//! `match`: which rule of a task took a table, an event or a statement, and why. A command of ours, so it is not in the
//! list that `dmctl --help` prints, which is DM's. It decides nothing and needs no running task: the task file is
//! enough; sources are known from their files or from the master.

use std::collections::BTreeMap;

use super::input::read_file;
use crate::{
    config::{SourceConfig, SubtaskConfig, TaskConfig, subtask::Flavor},
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    pb::{self, CfgType},
    rules::{
        Event,
        event_kind::EventPattern,
        explain::{self, Explainer, Report, RuleNames, SourceReport},
    },
    schema::{
        ServerInfo, SqlMode, Tracker,
        ddl::{self, ParseContext},
        model::TableId,
    },
};

/// The command line.
pub const SPEC: Spec = Spec::new(
    "match <task-file> [-s source ...] [--table db.table ...] [--event event ...] [--sql statement] [--row json] [--explain]",
    "Tells which rules of a task take a table, an event or a statement, and why",
)
.unlisted()
.flags(&[
    Flag::list("table", "tables as `db.table`, or `db` for the schema itself; `-` reads them from stdin, one a line")
        .short('t'),
    Flag::list("event", "events by their names in filters, such as insert or \"drop table\"; default all").short('e'),
    Flag::text("sql", "", "a statement of the source's binlog"),
    Flag::text("database", "", "default database of --sql and --create-table").short('d'),
    Flag::text("row", "", "an inserted row, or an updated one after the change, as a JSON object; needs --create-table"),
    Flag::text("old-row", "", "a deleted row, or an updated one before the change"),
    Flag::text("create-table", "", "structure of the table of --row, or of the one that --sql alters"),
    Flag::text("sql-mode", "", "sql_mode under which --sql was executed"),
    Flag::text("server-version", "", "SELECT VERSION() of the source, for executable comments in --sql and for expressions over --row"),
    Flag::list("source-file", "source files; without one the master is asked, if its address is known"),
    Flag::switch("offline", "does not ask the master"),
    Flag::switch("explain", "prints every step"),
    Flag::text("output", "text", "text or json").short('o'),
]);

/// The dmctl side; there is no other.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let [path] = matches.args.as_slice() else { return Err(Failure::Usage(String::new())) };
    let asked = Asked::read(matches)?;
    let text = read_file(path)?;
    let task = TaskConfig::from_yaml(&text)?;
    let files = source_files(&matches.all("source-file"))?;
    let wanted = matches.sources();
    let mut report = Report { task: task.name.clone(), sources: Vec::new() };
    for instance in task.mysql_instances.iter().flatten() {
        if !wanted.is_empty() && !wanted.contains(&instance.source_id) {
            continue;
        }
        let (source, origin) = known_source(session, &files, &instance.source_id, matches.is("offline")).await?;
        let subtask = subtask(&task, source)?;
        let names = names(&subtask, instance);
        report.sources.push(asked.report(subtask, names, origin)?);
    }
    if report.sources.is_empty() {
        return Err(Failure::Refused(format!("task {} has none of the sources {}", task.name, wanted.join(", "))));
    }
    match matches.one("output") {
        "json" => match serde_json::to_string_pretty(&report) {
            Ok(json) => session.line(&json),
            Err(e) => return Err(Failure::Text(format!("the report can't be printed: {e}"))),
        },
        _ => session.line(&explain::print(&report, matches.is("explain"))),
    }
    Ok(())
}

/// What the call asks about.
struct Asked {
    tables: Vec<TableId>,
    events: Vec<Event>,
    sql: String,
    context: ParseContext,
    create_table: String,
    row: String,
    old_row: String,
}

impl Asked {
    fn read(matches: &Matches) -> Result<Asked, Failure> {
        if !["text", "json"].contains(&matches.one("output")) {
            return Err(Failure::Refused("flag --output must be text or json".to_owned()));
        }
        let server = match matches.one("server-version") {
            "" => ServerInfo::default(),
            text => ServerInfo::parse(text)
                .ok_or_else(|| Failure::Refused(format!("flag --server-version: `{text}` is no version")))?,
        };
        let asked = Asked {
            tables: tables(&matches.all("table"))?,
            events: matches.all("event").iter().map(|name| event(name)).collect::<Result<_, _>>()?,
            sql: matches.one("sql").trim().trim_end_matches(';').to_owned(),
            context: ParseContext {
                default_schema: matches.one("database").to_owned(),
                sql_mode: SqlMode::parse(matches.one("sql-mode")),
                server,
            },
            create_table: matches.one("create-table").to_owned(),
            row: matches.one("row").to_owned(),
            old_row: matches.one("old-row").to_owned(),
        };
        if asked.has_row() && asked.create_table.is_empty() {
            return Err(Failure::Usage("flag --row needs --create-table".to_owned()));
        }
        if asked.tables.is_empty() && asked.sql.is_empty() && !asked.has_row() {
            return Err(Failure::Usage("flag --table, --sql or --row is needed".to_owned()));
        }
        Ok(asked)
    }

    fn report(&self, subtask: SubtaskConfig, names: RuleNames, origin: String) -> Result<SourceReport, Failure> {
        let mut context = self.context.clone();
        if subtask.flavor == Flavor::Mariadb && self.context.server == ServerInfo::default() {
            context.server = ServerInfo { flavor: Flavor::Mariadb, version: 110_800 };
        }
        let mut report = SourceReport {
            source: subtask.source_id.clone(),
            case_sensitive: subtask.case_sensitive,
            source_config: origin,
            ..SourceReport::default()
        };
        let explainer = Explainer::new(subtask, names)?;
        report.hints = explainer.hints();
        report.tables = self.tables.iter().map(|table| explainer.table(table, &self.events)).collect();
        let mut tracker = Tracker::new(context.server, 0);
        let mut structure = None;
        if !self.create_table.is_empty() {
            let statement = ddl::parse(&self.create_table, &context)?;
            tracker.apply(&statement)?;
            structure = statement.tables.first().and_then(|table| tracker.get(&table.schema, &table.name));
        }
        if !self.sql.is_empty() {
            report.statement = Some(explainer.statement(&self.sql, &context, &tracker));
        }
        if self.has_row() {
            let info = structure.ok_or_else(|| Failure::Refused("--create-table creates no table".to_owned()))?;
            let [old, new] = [&self.old_row, &self.row].map(|row| Some(row.as_str()).filter(|row| !row.is_empty()));
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let now = i64::try_from(now.as_micros()).unwrap_or_default();
            report.row = Some(explainer.row(&info, context.server, old, new, now)?);
        }
        Ok(report)
    }

    fn has_row(&self) -> bool {
        !(self.row.is_empty() && self.old_row.is_empty())
    }
}

fn event(name: &str) -> Result<Event, Failure> {
    match EventPattern::parse(name) {
        Some(EventPattern::Kind(kind)) => Ok(explain::whole(kind)),
        Some(_) => Err(Failure::Refused(format!("`{name}` is a class of events, not an event"))),
        None => Err(Failure::Refused(format!("event `{name}` is unknown"))),
    }
}

/// Names from the flags; `-` stands for the lines of stdin.
fn tables(flags: &[String]) -> Result<Vec<TableId>, Failure> {
    let mut tables = Vec::new();
    for flag in flags {
        if flag == "-" {
            let lines = std::io::stdin().lines().map_while(Result::ok);
            for line in lines.filter(|line| !line.trim().is_empty()) {
                tables.push(table(line.trim())?);
            }
        } else {
            tables.push(table(flag)?);
        }
    }
    Ok(tables)
}

/// `db.table`, `` `d.b`.`t` `` or `db`.
fn table(text: &str) -> Result<TableId, Failure> {
    let invalid =
        || Failure::Refused(format!("`{text}` is no table name: wanted db.table, with backquotes around odd names"));
    let (schema, rest) = name(text).ok_or_else(invalid)?;
    if rest.is_empty() {
        return Ok(TableId::new(schema, ""));
    }
    let (table, rest) = rest.strip_prefix('.').and_then(name).ok_or_else(invalid)?;
    if rest.is_empty() { Ok(TableId::new(schema, table)) } else { Err(invalid()) }
}

/// One name and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('`') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('`')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('`') {
            Some(more) => {
                name.push('`');
                rest = more;
            }
            None => return (!name.is_empty()).then_some((name, rest)),
        }
    }
}

fn source_files(paths: &[String]) -> Result<BTreeMap<String, (SourceConfig, String)>, Failure> {
    let mut files = BTreeMap::new();
    for path in paths {
        let source = SourceConfig::from_yaml_file(path, &read_file(path)?)?;
        files.insert(source.source_id.clone(), (source, path.clone()));
    }
    Ok(files)
}

/// The source's configuration and where it came from. Without any, one that has nothing but its id.
async fn known_source(
    session: &mut Session,
    files: &BTreeMap<String, (SourceConfig, String)>,
    id: &str,
    offline: bool,
) -> Result<(SourceConfig, String), Failure> {
    if let Some((source, path)) = files.get(id) {
        return Ok((source.clone(), format!("file {path}")));
    }
    let unknown = || SourceConfig { source_id: id.to_owned(), ..SourceConfig::default() };
    if offline || !session.knows_a_master() {
        return Ok((unknown(), "not known, so its filters and case-sensitive are not considered".to_owned()));
    }
    let request = pb::GetCfgRequest { r#type: CfgType::SourceType as i32, name: id.to_owned() };
    let reply = session.rpc_in_time(request, |mut c, r| async move { c.get_cfg(r).await }).await?;
    if !reply.result {
        return Ok((unknown(), format!("the master has none ({})", reply.msg)));
    }
    Ok((SourceConfig::from_yaml(&reply.cfg)?, "the master's".to_owned()))
}

fn subtask(task: &TaskConfig, source: SourceConfig) -> Result<SubtaskConfig, Failure> {
    let id = source.source_id.clone();
    let mut alone = task.clone();
    alone.mysql_instances.retain(|instance| instance.as_ref().is_some_and(|instance| instance.source_id == id));
    let mut subtasks = alone.expand(&BTreeMap::from([(id.clone(), source)]))?;
    subtasks.pop().ok_or_else(|| Failure::Text(format!("task {} has no source {id}", task.name)))
}

fn names(subtask: &SubtaskConfig, instance: &crate::config::MysqlInstance) -> RuleNames {
    let mut filters = instance.filter_rules.clone();
    let own = filters.len();
    filters.extend((own..subtask.filters.len()).map(|index| format!("{} of the source", index - own + 1)));
    RuleNames {
        list: instance.block_allow_list.clone(),
        routes: instance.route_rules.clone(),
        filters,
        expressions: instance.expression_filters.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables() {
        for (text, schema, name) in [
            ("a.b", "a", "b"),
            ("a", "a", ""),
            ("`a.b`.`c``d`", "a.b", "c`d"),
            ("`a`.b", "a", "b"),
            ("a.`b c`", "a", "b c"),
        ] {
            assert_eq!(table(text).unwrap(), TableId::new(schema, name), "{text}");
        }
        for text in ["", ".", "a.", ".b", "a.b.c", "`a", "`a`b", "a.`b`c", "``.a"] {
            assert!(table(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_events() {
        assert_eq!(event("Drop Schema").unwrap().kind.name(), "drop database");
        assert!(event("all dml").is_err() && event("fly").is_err());
    }
}
