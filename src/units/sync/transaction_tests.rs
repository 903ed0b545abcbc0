use super::*;
use crate::mysql::binlog::{EventHeader, event::StatusVars};

fn event(event_type: u8, flags: u16, end: u64, body: EventBody) -> Event {
    let header = EventHeader { event_type, flags, event_size: 20, log_pos: end as u32, timestamp: 5, server_id: 1 };
    Event { header, body, end }
}

fn query(sql: &'static str, end: u64) -> Event {
    let query = QueryEvent { sql: sql.into(), status: StatusVars::default(), ..QueryEvent::default() };
    event(2, 0, end, EventBody::Query(query))
}

fn assembler() -> Assembler {
    Assembler::new(Location::new(BinlogPosition::new("bin.000001", 4), None), OpenXa::default(), 1 << 20)
}

/// Takes an event; what it gives, one word each.
fn words(assembler: &mut Assembler, event: Event) -> Result<Vec<String>, DmError> {
    let mut out = Vec::new();
    assembler.next(event, &mut out)?;
    let word = |output: &Output| match output {
        Output::Item(Item::Rows { .. }) => "rows".to_owned(),
        Output::Item(Item::Statement { alone, .. }) => format!("statement {alone}"),
        Output::Item(Item::Boundary(end)) => format!("end {} {}", end.location.position.pos, end.open_xa.len()),
        Output::Item(Item::Refused(refused)) => format!("refused {} {}", refused.alone, refused.error),
        Output::Replay(Replay { what: Again::Xa { xid, prepared }, .. }) => {
            format!("replay {xid} {}", prepared.is_some())
        }
        Output::Replay(Replay { what: Again::Group(_), end_pos, .. }) => format!("again {end_pos}"),
    };
    Ok(out.iter().map(word).collect())
}

#[test]
fn an_unknown_event_is_passed_only_when_the_source_allows_it() {
    let mut at = assembler();
    assert_eq!(words(&mut at, event(99, 0x80, 30, EventBody::Unknown { ignorable: true })).unwrap(), ["end 30 0"]);
    assert_eq!(at.resume_at().position.pos, 30);
    let given = words(&mut at, event(99, 0, 60, EventBody::Unknown { ignorable: false })).unwrap();
    assert!(given[0].starts_with("refused true") && given[0].contains("type 99"), "{given:?}");
    assert_eq!(given[1..], ["end 60 0"]);
    // Within a transaction it is one of its events.
    words(&mut at, query("BEGIN", 80)).unwrap();
    words(&mut at, event(99, 0, 90, EventBody::Unknown { ignorable: false })).unwrap();
    let given = words(&mut at, event(16, 0, 100, EventBody::Xid(7))).unwrap();
    assert!(given[0].starts_with("refused false"), "{given:?}");
    assert_eq!(given[1..], ["end 100 0"]);
}

#[test]
fn an_incident_is_a_transaction_of_its_own() {
    let incident = || EventBody::Incident { code: 1, message: "LOST_EVENTS".into() };
    let given = words(&mut assembler(), event(26, 0, 60, incident())).unwrap();
    assert!(given[0].starts_with("refused true") && given[0].contains("LOST_EVENTS"), "{given:?}");
    // MySQL gives it a GTID, which counts once the incident is passed.
    let set = GtidSet::empty(crate::config::Flavor::Mariadb);
    let mut at =
        Assembler::new(Location::new(BinlogPosition::new("bin.000001", 4), Some(set)), OpenXa::default(), 1 << 20);
    let gtid = GtidEvent {
        gtid: Gtid::parse(crate::config::Flavor::Mariadb, "0-1-1").ok(),
        standalone: true,
        ..GtidEvent::default()
    };
    assert!(words(&mut at, event(33, 0, 40, EventBody::Gtid(gtid))).unwrap().is_empty());
    assert_eq!(words(&mut at, event(26, 0, 60, incident())).unwrap().len(), 2);
    assert_eq!(at.resume_at().gtid_set.unwrap().to_string(), "0-1-1");
}

#[test]
fn a_prepared_transaction_counts_at_its_commit() {
    let prepare = |one_phase| EventBody::XaPrepare { one_phase, xid: "X'61',X'',1".into() };
    let mut at = assembler();
    assert!(words(&mut at, query("XA START X'61',X'',1", 40)).unwrap().is_empty());
    assert!(at.at_boundary(), "nothing was handed on");
    assert_eq!(words(&mut at, event(38, 0, 80, prepare(false))).unwrap(), ["end 80 1"]);
    // A stream that is opened again between the halves knows it.
    at.resume(Location::new(BinlogPosition::new("bin.000001", 80), None));
    assert_eq!(words(&mut at, query("CREATE TABLE t (a int)", 90)).unwrap(), ["statement true", "end 90 1"]);
    assert_eq!(words(&mut at, query("XA COMMIT X'61',X'',1", 100)).unwrap(), ["end 100 0"]);
    // Unknown: it was prepared before the start.
    assert_eq!(words(&mut at, query("XA COMMIT X'62',X'',1", 120)).unwrap(), ["replay X'62',X'',1 false", "end 120 0"]);
    assert_eq!(words(&mut at, query("XA ROLLBACK X'63',X'',1", 140)).unwrap(), ["end 140 0"]);
    assert!(words(&mut at, query("XA START X'61',X'',1", 160)).unwrap().is_empty());
    assert_eq!(words(&mut at, event(38, 0, 180, prepare(true))).unwrap(), ["end 180 0"]);
}
