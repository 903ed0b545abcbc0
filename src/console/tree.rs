//! The reply of a master as a tree of rows: node -> gateway, scheduler, member -> source -> subtask -> unit.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde::Deserialize;

use super::facts::{self, Fact, Tone};
use crate::{
    actors::observe::ActorReport,
    error::{Code, DmError, Result},
};

/// `GET /actors`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Cluster {
    nodes: Vec<NodeReports>,
    /// Nodes that did not answer: `name: why`.
    #[serde(default)]
    missing: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
struct NodeReports {
    node: String,
    actors: Vec<ActorReport>,
}

impl Cluster {
    /// Reads a reply.
    pub fn parse(text: &str) -> Result<Cluster> {
        serde_json::from_str(text).map_err(|e| {
            DmError::new(Code::CtlGRPCCreateConn)
                .msg("the reply to GET /actors is not a list of actors")
                .cause(e)
                .workaround("Please check that `--master-addr` is a dm-master of this version.")
        })
    }
}

/// One line of the picture.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Box characters.
    branch: String,
    name: String,
    facts: Vec<Fact>,
    age: String,
}

impl Row {
    /// The line, in colour or not, cut to `width` columns if given.
    pub fn text(&self, colour: bool, width: Option<usize>) -> String {
        let mut line = Line { text: String::new(), left: width.unwrap_or(usize::MAX), colour };
        line.put(&self.branch, Tone::Dim);
        line.put(&self.name, Tone::Name);
        for fact in &self.facts {
            line.put("  ", Tone::Plain);
            line.put(&fact.text, fact.tone);
        }
        if !self.age.is_empty() {
            line.put(&format!("  ({})", self.age), Tone::Dim);
        }
        line.text
    }
}

struct Line {
    text: String,
    left: usize,
    colour: bool,
}

impl Line {
    fn put(&mut self, text: &str, tone: Tone) {
        // What others wrote must not steer the terminal.
        let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(self.left).collect();
        self.left -= shown.chars().count();
        match self.colour && !shown.is_empty() && tone != Tone::Plain {
            true => {
                let _ = write!(self.text, "{}{shown}\x1b[0m", tone.start());
            }
            false => self.text.push_str(&shown),
        }
    }
}

/// The whole picture; `now` in milliseconds since the Unix epoch.
pub fn rows(cluster: &Cluster, now: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut nodes: Vec<&NodeReports> = cluster.nodes.iter().collect();
    // The node with the scheduler (a leader) first, then by name.
    nodes.sort_by_key(|n| (!n.actors.iter().any(|a| a.kind == "scheduler"), n.node.clone()));
    for node in nodes {
        Walk::new(node, now).run(&mut rows);
    }
    for missing in &cluster.missing {
        let fact = Fact { text: "no answer".into(), tone: Tone::Bad };
        rows.push(Row { branch: String::new(), name: missing.clone(), facts: vec![fact], age: String::new() });
    }
    rows
}

struct Walk<'a> {
    node: &'a NodeReports,
    children: BTreeMap<&'a str, Vec<&'a ActorReport>>,
    seen: BTreeSet<&'a str>,
    now: u64,
}

impl<'a> Walk<'a> {
    fn new(node: &'a NodeReports, now: u64) -> Self {
        let names: BTreeSet<&str> = node.actors.iter().map(|a| a.name.as_str()).collect();
        let mut children: BTreeMap<&str, Vec<&ActorReport>> = BTreeMap::new();
        for actor in &node.actors {
            // An actor whose supervisor is gone hangs below the node.
            let parent = if names.contains(actor.parent.as_str()) { actor.parent.as_str() } else { "" };
            children.entry(parent).or_default().push(actor);
        }
        for list in children.values_mut() {
            list.sort_by_key(|a| (rank(&a.kind), a.name.clone()));
        }
        Walk { node, children, seen: BTreeSet::new(), now }
    }

    fn run(mut self, rows: &mut Vec<Row>) {
        let tops = self.children.get("").cloned().unwrap_or_default();
        let (roots, strays): (Vec<&ActorReport>, Vec<_>) = tops.into_iter().partition(|a| a.kind == "node");
        if roots.is_empty() {
            rows.push(Row {
                branch: String::new(),
                name: self.node.node.clone(),
                facts: Vec::new(),
                age: String::new(),
            });
        }
        for root in &roots {
            self.actor(root, "", "", rows);
        }
        self.list(&strays, "", rows);
        // Supervisors in a circle (a reply that makes no sense) are shown flat rather than lost.
        for actor in &self.node.actors {
            self.actor(actor, "?── ", "    ", rows);
        }
    }

    fn actor(&mut self, actor: &'a ActorReport, branch: &str, below: &str, rows: &mut Vec<Row>) {
        if !self.seen.insert(&actor.name) {
            return;
        }
        rows.push(Row {
            branch: branch.to_owned(),
            name: actor.name.clone(),
            facts: facts::of(&actor.kind, &actor.state),
            age: facts::age(self.now.saturating_sub(actor.since)),
        });
        let children = self.children.get(actor.name.as_str()).cloned().unwrap_or_default();
        self.list(&children, below, rows);
    }

    fn list(&mut self, actors: &[&'a ActorReport], indent: &str, rows: &mut Vec<Row>) {
        for (i, actor) in actors.iter().enumerate() {
            let (branch, below) = if i + 1 == actors.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
            self.actor(actor, &format!("{indent}{branch}"), &format!("{indent}{below}"), rows);
        }
    }
}

fn rank(kind: &str) -> usize {
    let order = ["node", "gateway", "scheduler", "member", "source", "subtask", "unit", "inspector"];
    order.iter().position(|k| *k == kind).unwrap_or(order.len())
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
