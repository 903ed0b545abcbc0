//! The whole cluster's actors out of each node's reply.

use serde_json::{Value, json};

use super::messages::InspectorReply;
use crate::actors::post::NoReply;

/// `{"nodes": [...], "missing": [...]}`; nodes in the order of their names.
pub fn merge(replies: Vec<(String, Result<InspectorReply, NoReply>)>) -> Value {
    let (mut nodes, mut missing) = (Vec::new(), Vec::new());
    for (asked, reply) in replies {
        match reply {
            Ok(InspectorReply::Reports { node, json }) => match serde_json::from_str::<Value>(&json) {
                Ok(actors) => nodes.push((node.clone(), json!({"node": node, "actors": actors}))),
                Err(why) => missing.push(format!("{node}: {why}")),
            },
            Ok(InspectorReply::NotUnderstood) => missing.push(format!("{asked}: it did not understand the request")),
            Err(why) => missing.push(format!("{asked}: {why}")),
        }
    }
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    let nodes: Vec<_> = nodes.into_iter().map(|(_, row)| row).collect();
    json!({"nodes": nodes, "missing": missing})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_sorted_and_silent_ones_named() {
        let reports = |node: &str, json: &str| Ok(InspectorReply::Reports { node: node.into(), json: json.into() });
        let merged = merge(vec![
            ("i/w1".into(), reports("w1", "[{\"name\":\"member:w1\"}]")),
            ("i/w2".into(), Err(NoReply::Gone)),
            ("i/w3".into(), reports("w3", "{")),
            ("i/m".into(), reports("m", "[]")),
        ]);
        assert_eq!(merged["nodes"][0], json!({"node": "m", "actors": []}));
        assert_eq!(merged["nodes"][1]["actors"][0]["name"], "member:w1");
        let missing = merged["missing"].as_array().unwrap();
        assert_eq!(missing[0], "i/w2: the connection to it is closed");
        assert!(missing[1].as_str().unwrap().starts_with("w3: "));
    }
}
