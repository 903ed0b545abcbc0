//! The last words of an error about an event: the commands that would resolve it, with all their arguments.

use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, EventClass, EventRef, policy},
};

/// Adds the commands to the workaround of an error that names an event; `{task}` and `{source}` in it are filled in.
pub fn advise(error: DmError, config: &SubtaskConfig) -> DmError {
    let known = error.workaround_text().replace("{task}", &config.name).replace("{source}", &config.source_id);
    // No event is to blame for a connection.
    if matches!(error.code(), Code::DBBadConn | Code::DBInvalidConn | Code::DBDriverError) {
        let resume = format!("`resume-task {}`", config.name);
        let then = match policy::is_resumable(&error.to_process_error()) {
            true => format!("The task is resumed by itself, with longer and longer pauses; {resume} tries at once."),
            false => format!("Then {resume}."),
        };
        return error.workaround(format!("{known} {then}").trim_start());
    }
    let Some(event) = error.event() else { return error.workaround(known) };
    let commands = match event.class {
        EventClass::Statement => of_statement(event, config),
        EventClass::Rows => of_rows(event, config),
        EventClass::Refused => format!("`{}` passes the event", command("skip", event, config)),
    };
    let text = match known.as_str() {
        "" => commands,
        known if event.class == EventClass::Refused => format!("{known} Then {commands}."),
        known => format!("{known} Otherwise: {commands}"),
    };
    error.workaround(text)
}

fn of_statement(event: &EventRef, config: &SubtaskConfig) -> String {
    let [skip, replace] = ["skip", "replace"].map(|op| command(op, event, config));
    format!(
        "mend the cause and `resume-task {task}`; or leave the statement out with `{skip}`; or let others run in its \
         place with `{replace} \"statement; statement\"`",
        task = config.name
    )
}

fn of_rows(event: &EventRef, config: &SubtaskConfig) -> String {
    format!(
        "mend the cause (the row, or the structure of the table on the target) and `resume-task {task}`; `{skip}` leaves all \
         row changes of this event out, which then differ",
        task = config.name,
        skip = command("skip", event, config)
    )
}

fn command(op: &str, event: &EventRef, config: &SubtaskConfig) -> String {
    let position = &event.position;
    format!("binlog {op} {} -s {} -b {}:{}", config.name, config.source_id, position.name, position.pos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::position::BinlogPosition;

    fn advised(code: Code, class: EventClass, known: &str) -> String {
        let config = SubtaskConfig { name: "t1".into(), source_id: "s1".into(), ..SubtaskConfig::default() };
        let position = BinlogPosition::new("mysql-bin.000001", 1234);
        let event = EventRef { position, gtid: String::new(), class, step: 0, injected: false };
        let error = DmError::new(code).workaround(known).at_event(event);
        advise(error, &config).workaround_text().to_owned()
    }

    #[test]
    fn the_commands_can_be_pasted() {
        let text = advised(Code::DBExecuteFailed, EventClass::Statement, "");
        assert!(text.contains("`binlog skip t1 -s s1 -b mysql-bin.000001:1234`"), "{text}");
        assert!(text.contains("`binlog replace t1 -s s1 -b mysql-bin.000001:1234 \""), "{text}");
        let text = advised(Code::DBExecuteFailed, EventClass::Rows, "Look here.");
        assert!(text.starts_with("Look here. Otherwise: mend"), "{text}");
        assert!(text.contains("`resume-task t1`") && text.contains("`binlog skip t1 -s s1 -b"), "{text}");
        let text = advised(Code::SyncerGetEvent, EventClass::Refused, "Compare.");
        assert_eq!(text, "Compare. Then `binlog skip t1 -s s1 -b mysql-bin.000001:1234` passes the event.");
        let text = advised(Code::DBInvalidConn, EventClass::Rows, "Look here.");
        assert!(
            text.starts_with("Look here. The task is resumed by itself") && text.contains("`resume-task t1`"),
            "{text}"
        );
    }
}
