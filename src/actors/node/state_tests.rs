use super::*;

fn dials(now: Instant) -> Dials {
    let mut dials = Dials::default();
    dials.masters(now, vec!["m1:8291".into(), "m2:8291".into()]);
    dials
}

#[test]
fn masters_are_dialled_for_ever_with_growing_pauses() {
    let now = Instant::now();
    let mut d = dials(now);
    assert_eq!(d.due(now), ["m1:8291", "m2:8291"]);
    assert_eq!(d.due(now), Vec::<String>::new());
    d.failed(now, "m1:8291", 1.0);
    assert_eq!(d.due(now + Duration::from_millis(99)), Vec::<String>::new());
    assert_eq!(d.due(now + Duration::from_millis(100)), ["m1:8291"]);
    for _ in 0..10 {
        d.failed(now, "m1:8291", 1.0);
    }
    assert_eq!(d.due(now + Duration::from_millis(999)), Vec::<String>::new());
    assert_eq!(d.due(now + Duration::from_secs(1)), ["m1:8291"]);
}

#[test]
fn a_broken_connection_is_dialled_again() {
    let now = Instant::now();
    let mut d = dials(now);
    d.due(now);
    assert!(d.connected(now, "m1:8291", "10.0.0.1:8291"));
    assert!(!d.connected(now, "m2:8291", "10.0.0.1:8291"), "the same master under another name");
    assert!(d.any_down());
    d.ready("10.0.0.1:8291");
    d.closed(now, "10.0.0.1:8291", 0.0);
    assert_eq!(d.due(now + Duration::from_millis(100)), ["m1:8291"]);
    assert_eq!(d.due(now + ALIAS_RETRY), ["m2:8291"]);
    assert!(d.connected(now, "m2:8291", "10.0.0.2:8291"));
    d.all_closed(now);
    assert_eq!(d.due(now), ["m2:8291"]);
}

#[test]
fn addresses_that_are_no_longer_named_are_forgotten_once_down() {
    let now = Instant::now();
    let mut d = dials(now);
    d.due(now);
    d.connected(now, "m1:8291", "10.0.0.1:8291");
    d.masters(now, vec!["m3:8291".into()]);
    assert_eq!(d.due(now), ["m3:8291"]);
    assert!(!d.connected(now, "m2:8291", "10.0.0.2:8291"), "nobody asked for it any more");
    d.closed(now, "10.0.0.1:8291", 0.0);
    d.masters(now, vec!["m3:8291".into()]);
    assert_eq!(d.due(now + ALIAS_RETRY), Vec::<String>::new());
}

#[test]
fn strangers_have_ten_seconds() {
    let now = Instant::now();
    let mut s = Strangers::new();
    s.opened(now, 1);
    s.opened(now, 2);
    s.settled(&1);
    assert_eq!(s.overdue(now + Duration::from_secs(9)), Vec::<i32>::new());
    assert_eq!(s.overdue(now + Duration::from_secs(10)), [2]);
    assert_eq!(s.overdue(now + Duration::from_secs(20)), Vec::<i32>::new());
}
