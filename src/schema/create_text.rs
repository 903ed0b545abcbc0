//! A structure as one line of CREATE TABLE, the way `binlog-schema list` shows it and `binlog-schema update` takes it.

use super::{
    column_type::BaseType,
    model::{Column, DefaultValue, Generated, Index, IndexKind, TableInfo, quote_name},
};

/// The statement; the table's name stands without its schema. Read again it gives the same structure.
pub fn create_text(table: &TableInfo) -> String {
    let mut lines: Vec<String> =
        table.columns.iter().filter(|column| !column.is_hidden()).map(|c| column_text(table, c)).collect();
    lines.extend(table.indexes.iter().map(index));
    for period in &table.periods {
        let [name, start, end] = [&period.name, &period.start, &period.end].map(|name| quote_name(name));
        lines.push(format!("PERIOD FOR {name} ({start}, {end})"));
    }
    lines.extend(table.foreign_keys.iter().map(|key| key.definition(Some(&table.schema))));
    for check in table.checks.iter().filter(|check| !check.expression.is_empty()) {
        lines.push(format!("CONSTRAINT {} CHECK ({})", quote_name(&check.name), check.expression));
    }
    let mut text = format!("CREATE TABLE {} ( {})", quote_name(&table.name), lines.join(", "));
    if !table.engine.is_empty() {
        text.push_str(&format!(" ENGINE={}", &*table.engine));
    }
    if !table.charset.is_empty() {
        text.push_str(&format!(" DEFAULT CHARSET={} COLLATE={}", &*table.charset, &*table.collation));
    }
    if !table.comment.is_empty() {
        text.push_str(&format!(" COMMENT={}", quoted(&table.comment)));
    }
    if let Some(partitions) = &table.partition {
        text.push_str(&format!(" {}", partitions.text()));
    }
    text
}

/// A column of a table as CREATE TABLE and ADD COLUMN have it.
pub fn column_text(table: &TableInfo, column: &Column) -> String {
    let mut text = format!("{} {}", quote_name(&column.name), column.ty.text());
    if let (Some(charset), Some(collation)) = (&column.charset, &column.collation)
        && (*charset != table.charset || *collation != table.collation)
    {
        text.push_str(&format!(" CHARACTER SET {} COLLATE {}", &**charset, &**collation));
    }
    if let Some(generated) = &column.generated {
        text.push_str(&generation(generated));
    }
    let timestamp = column.ty.base == BaseType::Timestamp;
    match column.nullable {
        false => text.push_str(" NOT NULL"),
        true if timestamp => text.push_str(" NULL"),
        true => {}
    }
    if column.generated.is_none() {
        text.push_str(&default_clause(column));
    }
    if column.on_update_now {
        text.push_str(&update_clause(column));
    }
    if column.auto_increment {
        text.push_str(" AUTO_INCREMENT");
    }
    if column.invisible {
        text.push_str(" INVISIBLE");
    }
    if !column.comment.is_empty() {
        text.push_str(&format!(" COMMENT {}", quoted(&column.comment)));
    }
    if column.json_valid {
        text.push_str(&format!(" CHECK (json_valid({}))", quote_name(&column.name)));
    }
    text
}

fn generation(generated: &Generated) -> String {
    if generated.is_row_time() {
        return format!(" GENERATED ALWAYS AS {}", generated.expression);
    }
    format!(" GENERATED ALWAYS AS ({}) {}", generated.expression, if generated.stored { "STORED" } else { "VIRTUAL" })
}

/// ` DEFAULT ..`; empty where the column has none and takes no NULL.
pub fn default_clause(column: &Column) -> String {
    match &column.default {
        Some(DefaultValue::Literal(value)) => format!(" DEFAULT {}", quoted(value)),
        Some(DefaultValue::Number(value)) => format!(" DEFAULT {value}"),
        Some(DefaultValue::Bytes(bytes)) => {
            format!(" DEFAULT x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        Some(DefaultValue::CurrentTimestamp) => format!(" DEFAULT {}", now(column)),
        Some(DefaultValue::Expression(expression)) => format!(" DEFAULT ({expression})"),
        Some(DefaultValue::Null) | None if column.nullable => " DEFAULT NULL".to_owned(),
        Some(DefaultValue::Null) | None => String::new(),
    }
}

/// ` ON UPDATE CURRENT_TIMESTAMP`, with the column's digits.
pub fn update_clause(column: &Column) -> String {
    format!(" ON UPDATE {}", now(column))
}

/// As SHOW CREATE TABLE writes texts, for a session that knows backslashes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn now(column: &Column) -> String {
    match column.ty.decimals {
        Some(digits) if digits > 0 => format!("CURRENT_TIMESTAMP({digits})"),
        _ => "CURRENT_TIMESTAMP".to_owned(),
    }
}

fn index(index: &Index) -> String {
    let head = match index.kind {
        _ if index.primary => "PRIMARY KEY".to_owned(),
        IndexKind::Fulltext => format!("FULLTEXT KEY {}", quote_name(&index.name)),
        IndexKind::Spatial => format!("SPATIAL KEY {}", quote_name(&index.name)),
        IndexKind::Vector => format!("VECTOR KEY {}", quote_name(&index.name)),
        IndexKind::Ordinary if index.unique => format!("UNIQUE KEY {}", quote_name(&index.name)),
        IndexKind::Ordinary => format!("KEY {}", quote_name(&index.name)),
    };
    let part = |part: &super::model::IndexColumn| {
        let mut text = match &part.expression {
            Some(expression) => format!("({expression})"),
            None => quote_name(&part.column),
        };
        if let Some(length) = part.prefix_len {
            text.push_str(&format!("({length})"));
        }
        if part.descending {
            text.push_str(" DESC");
        }
        text
    };
    let mut text = format!("{head} ({})", index.columns.iter().map(part).collect::<Vec<_>>().join(","));
    if index.hash {
        text.push_str(" USING HASH");
    }
    if index.invisible {
        text.push_str(" INVISIBLE");
    }
    if !index.comment.is_empty() {
        text.push_str(&format!(" COMMENT {}", quoted(&index.comment)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Flavor,
        schema::{ServerInfo, SqlMode, load, model::TableId},
    };

    fn read(sql: &str, flavor: Flavor, version: u32) -> TableInfo {
        let session = load::Session {
            server: ServerInfo { flavor, version },
            sql_mode: SqlMode::default(),
            lower_case_table_names: 0,
            explicit_defaults_for_timestamp: true,
        };
        load::parse_create_table(sql, &TableId::new("d", "t"), &session).unwrap_or_else(|e| panic!("{e}\n{sql}"))
    }

    #[test]
    fn a_text_in_the_known_layout() {
        let sql = "CREATE TABLE t (id int NOT NULL, c int, v varchar(20), PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
        assert_eq!(
            create_text(&read(sql, Flavor::Mysql, 80_036)),
            "CREATE TABLE `t` ( `id` int NOT NULL, `c` int DEFAULT NULL, `v` varchar(20) DEFAULT NULL, PRIMARY KEY \
             (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        );
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let columns = "id bigint unsigned NOT NULL AUTO_INCREMENT, `a``b` varchar(20) CHARACTER SET latin1 COLLATE \
            latin1_bin NOT NULL DEFAULT 'it''s \\\\ é', d decimal(10,2) DEFAULT '1.50', e enum('x','y''z') DEFAULT 'x', \
            ts timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), t2 timestamp NULL \
            DEFAULT NULL, b bit(3) DEFAULT b'101', bl blob DEFAULT NULL, g int GENERATED ALWAYS AS (`id` + 1) STORED, \
            gv int GENERATED ALWAYS AS (`id` * 2) VIRTUAL, z int(5) unsigned zerofill NOT NULL COMMENT 'c;c', y year \
            DEFAULT NULL, PRIMARY KEY (id), UNIQUE KEY u (`a``b`(5),d), KEY k (d) COMMENT 'k', CONSTRAINT f FOREIGN KEY \
            (g) REFERENCES p (id) ON DELETE CASCADE";
        let tail = ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='t'";
        for (flavor, version, more) in [
            (Flavor::Mysql, 50_736, ""),
            (
                Flavor::Mysql,
                80_036,
                ", x json DEFAULT NULL, i int DEFAULT NULL INVISIBLE, dx int DEFAULT (1 + 2), KEY n (d DESC), KEY fx ((`id` + 3))",
            ),
            (
                Flavor::Mariadb,
                101_106,
                ", x longtext DEFAULT NULL CHECK (json_valid(x)), u6 inet6 DEFAULT NULL, un uuid DEFAULT NULL",
            ),
        ] {
            let table = read(&format!("CREATE TABLE t ({columns}{more}{tail}"), flavor, version);
            let text = create_text(&table);
            assert_eq!(read(&text, flavor, version), table, "{text}");
        }
    }
}
