use serde_json::json;

use super::*;

fn actor(name: &str, kind: &str, parent: &str, state: serde_json::Value) -> serde_json::Value {
    json!({"name": name, "kind": kind, "node": "n", "parent": parent, "since": 1_000, "state": state})
}

fn draw(reply: serde_json::Value) -> Vec<String> {
    let cluster = Cluster::parse(&reply.to_string()).expect("a reply");
    rows(&cluster, 62_000).iter().map(|row| row.text(false, None)).collect()
}

#[test]
fn a_cluster_is_drawn_leader_first_in_the_order_of_supervision() {
    let reply = json!({"nodes": [
        {"node": "worker1", "actors": [
            actor("unit:s1/t", "unit", "subtask:s1/t", json!({"unit": "Sync", "secondsBehindMaster": 1})),
            actor("inspector", "inspector", "worker1", json!({})),
            actor("subtask:s1/t", "subtask", "source:s1", json!({"stage": "Running"})),
            actor("source:s1", "source", "member", json!({"epoch": 2})),
            actor("member", "member", "worker1", json!({"stage": "bound"})),
            actor("worker1", "node", "", json!({})),
        ]},
        {"node": "master1", "actors": [
            actor("scheduler", "scheduler", "master1", json!({"leader": true})),
            actor("gateway", "gateway", "master1", json!({})),
            actor("master1", "node", "", json!({})),
        ]},
    ], "missing": ["worker2: no reply in 5 s"]});
    assert_eq!(
        draw(reply),
        [
            "master1  (1m01s)",
            "├── gateway  (1m01s)",
            "└── scheduler  leader=true  (1m01s)",
            "worker1  (1m01s)",
            "├── member  bound  (1m01s)",
            "│   └── source:s1  epoch=2  (1m01s)",
            "│       └── subtask:s1/t  Running  (1m01s)",
            "│           └── unit:s1/t  Sync  lag=1s  (1m01s)",
            "└── inspector  (1m01s)",
            "worker2: no reply in 5 s  no answer",
        ]
    );
}

#[test]
fn orphans_and_circles_are_shown_once() {
    let reply = json!({"nodes": [{"node": "n", "actors": [
        actor("orphan", "unit", "gone", json!({})),
        actor("a", "source", "b", json!({})),
        actor("b", "source", "a", json!({})),
    ]}]});
    assert_eq!(draw(reply), ["n", "└── orphan  (1m01s)", "?── a  (1m01s)", "    └── b  (1m01s)"]);
}

#[test]
fn a_line_is_cut_to_the_terminal_and_cannot_steer_it() {
    let reply = json!({"nodes": [{"node": "n", "actors": [
        actor("n", "node", "", json!({"errors": "\u{1b}[2Jgone"})),
    ]}]});
    let cluster = Cluster::parse(&reply.to_string()).expect("a reply");
    let row = &rows(&cluster, 1_000)[0];
    assert_eq!(row.text(false, None), "n  errors:  [2Jgone  (0s)");
    assert_eq!(row.text(false, Some(4)), "n  e");
    assert_eq!(row.text(true, Some(1)), "\x1b[1mn\x1b[0m");
}

#[test]
fn a_reply_of_another_kind_is_an_error() {
    for text in ["", "[]", "{\"nodes\": 1}", "<html>"] {
        let error = Cluster::parse(text).expect_err(text);
        assert!(error.message().contains("GET /actors"), "{error}");
    }
}
