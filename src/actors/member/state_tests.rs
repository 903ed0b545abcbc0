use super::*;

fn assignment(epoch: u64, digest: u64) -> Assignment {
    Assignment {
        cluster_id: 7,
        source_id: "s1".into(),
        source_yaml: String::new(),
        epoch,
        subtasks: Vec::new(),
        digest,
    }
}

fn holding(epoch: u64, digest: u64) -> Vec<Holding> {
    vec![Holding { source_id: "s1".into(), epoch, digest }]
}

#[test]
fn an_older_epoch_is_refused_even_when_nothing_runs() {
    let mut s = Sources::default();
    assert_eq!(s.follow(&assignment(3, 1)), Verdict::Start);
    assert_eq!(s.follow(&assignment(2, 1)), Verdict::Stale { epoch: 3 });
    assert_eq!(s.follow(&assignment(3, 2)), Verdict::Forward);
    assert_eq!(s.holdings(), holding(3, 2));
    assert!(s.release("s1", 5));
    assert_eq!(s.holdings(), holding(3, 0), "it may still write until it is gone");
    assert!(!s.gone("s1"));
    assert_eq!(s.holdings(), []);
    assert_eq!(s.follow(&assignment(4, 1)), Verdict::Stale { epoch: 5 });
    assert_eq!(s.follow(&assignment(6, 1)), Verdict::Start);
}

#[test]
fn a_newer_epoch_waits_until_the_older_actor_is_gone() {
    let mut s = Sources::default();
    s.follow(&assignment(1, 1));
    assert_eq!(s.follow(&assignment(2, 1)), Verdict::Replace);
    assert_eq!(s.follow(&assignment(3, 1)), Verdict::Replace);
    assert_eq!(s.holdings(), holding(1, 0));
    assert!(s.gone("s1"));
    assert_eq!(s.holdings(), holding(3, 0));
    assert_eq!(s.follow(&assignment(3, 9)), Verdict::Forward);
}

#[test]
fn a_release_of_an_older_epoch_leaves_the_newer_binding() {
    let mut s = Sources::default();
    s.follow(&assignment(4, 1));
    assert!(!s.release("s1", 3));
    assert_eq!(s.holdings(), holding(4, 1));
    s.follow(&assignment(5, 1));
    assert!(s.release("s1", 5), "the waiting one is called off, the old one is still ending");
    assert!(!s.gone("s1"));
    assert!(!s.release("unknown", 1));
}

#[test]
fn heartbeats_come_at_a_sixth_of_the_ttl() {
    let start = Instant::now();
    let mut link = Link::new(Duration::from_secs(60), start);
    assert_eq!(link.interval(), Duration::from_secs(5));
    assert_eq!(link.tick(start), Say::Hello);
    assert_eq!(link.tick(start), Say::Nothing);
    assert!(!link.heard(start, link.attempt(), &Ok(SchedulerReply::Accepted), 0.0));
    assert_eq!(link.tick(start + Duration::from_secs(4)), Say::Nothing);
    assert_eq!(link.tick(start + Duration::from_secs(5)), Say::Beat);
    let attempt = link.attempt();
    link.heard(start, attempt, &Ok(SchedulerReply::WhoAreYou), 0.0);
    assert_eq!(link.tick(start), Say::Hello);
    assert_eq!(Link::new(Duration::from_secs(3), start).interval(), Duration::from_millis(500));
}

#[test]
fn a_silent_leader_is_called_again_and_the_dead_connection_given_up() {
    let start = Instant::now();
    let mut link = Link::new(Duration::from_secs(3), start);
    link.tick(start);
    link.heard(start, link.attempt(), &Ok(SchedulerReply::Accepted), 0.0);
    let late = Err(NoReply::Late(Duration::from_secs(1)));
    let at = start + Duration::from_millis(500);
    assert_eq!(link.tick(at), Say::Beat);
    assert!(!link.heard(at, link.attempt(), &late, 0.0));
    assert!(!link.accepted());
    assert_eq!(link.tick(at), Say::Nothing);
    let at = start + Duration::from_secs(2);
    assert_eq!(link.tick(at), Say::Hello);
    assert!(link.heard(at, link.attempt(), &late, 0.0));
    // A leader that appears is greeted at once; the old attempt's word no longer counts.
    let old = link.attempt();
    link.leader_changed(at);
    assert_eq!(link.tick(at), Say::Hello);
    assert!(!link.heard(at, old, &Ok(SchedulerReply::Accepted), 0.0));
    assert!(!link.accepted());
}

#[test]
fn a_lease_counts_from_when_its_word_was_sent() {
    let start = Instant::now();
    let mut link = Link::new(Duration::from_secs(8), start);
    assert!(!link.has_lease() && !link.expired(start + Duration::from_secs(60)));
    link.tick(start);
    // The answer comes late; the leader may count from any moment since the word was sent.
    link.heard(start + Duration::from_secs(3), link.attempt(), &Ok(SchedulerReply::Accepted), 0.0);
    assert!(link.has_lease() && !link.expired(start + Duration::from_millis(6999)));
    assert!(link.expired(start + Duration::from_secs(7)));
    assert!(!link.has_lease() && !link.accepted());
    assert!(!link.expired(start + Duration::from_secs(70)), "once");
    // Nor has it one while the next word is under way: a late assignment starts nothing.
    assert_eq!(link.tick(start + Duration::from_secs(70)), Say::Hello);
    assert!(!link.has_lease());
    // A leader that no majority confirms grants nothing.
    let at = start + Duration::from_secs(8);
    link.leader_changed(at);
    link.tick(at);
    link.heard(at, link.attempt(), &Ok(SchedulerReply::NotLeading), 0.0);
    assert!(!link.has_lease() && !link.accepted());
}
