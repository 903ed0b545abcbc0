//! YAML text to a tree that remembers lines. Anchors, aliases and merge keys are resolved here.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// No sane configuration nests deeper; a hostile one must not exhaust the stack.
const MAX_DEPTH: usize = 64;
/// Aliases may multiply a small text; this bounds the tree.
const MAX_NODES: usize = 200_000;

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `plain` is false for quoted and block scalars, which are always text.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// Pairs in the order of the file; a key is always a scalar.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// True for `null`, `~` and a missing value.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if super::scalar::is_null(text))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Reads the first document of `text`; `None` when there is none.
    pub fn parse(text: &str) -> Result<Option<Node>, String> {
        let mut builder = Builder { events: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0 };
        loop {
            match builder.next()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::DocumentStart(_), _) => break,
                _ => {}
            }
        }
        let (event, span) = builder.next()?;
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            return Ok(None);
        }
        let node = builder.build(event, span, 0)?;
        // The rest is scanned for syntax errors only; like the original, further documents are ignored.
        loop {
            if matches!(builder.next()?.0, Event::StreamEnd) {
                return Ok(Some(node));
            }
        }
    }

    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::Sequence(items) => items.iter().map(Node::size).sum(),
            Kind::Mapping(pairs) => pairs.iter().map(|(k, v)| k.size() + v.size()).sum(),
        }
    }
}

struct Builder<I> {
    events: I,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Builder<I> {
    fn next(&mut self) -> Result<(Event<'a>, Span), String> {
        match self.events.next() {
            Some(Ok(item)) => Ok(item),
            Some(Err(e)) => Err(format!("yaml: line {}: {}", e.marker().line(), e.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(format!("yaml: line {line}: document holds more than {MAX_NODES} values"));
        }
        Ok(())
    }

    fn build(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, String> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(format!("yaml: line {line}: nested deeper than {MAX_DEPTH} levels"));
        }
        self.count(1, line)?;
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text_tag = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !text_tag;
                (Kind::Scalar { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(anchor, _) => (Kind::Sequence(self.sequence(depth)?), anchor),
            Event::MappingStart(anchor, _) => (Kind::Mapping(self.mapping(depth)?), anchor),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(format!("yaml: line {line}: alias stands before the end of its anchor"));
                };
                self.count(node.size(), line)?;
                return Ok(node);
            }
            _ => return Err(format!("yaml: line {line}: value expected")),
        };
        let node = Node { line, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.build(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, String> {
        let mut pairs = Vec::new();
        let mut merged = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, span) => self.build(event, span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let value = self.build(event, span, depth + 1)?;
            match &key.kind {
                Kind::Scalar { text, plain: true } if text == "<<" => merge_source(value, &mut merged)?,
                Kind::Scalar { .. } => pairs.push((key, value)),
                _ => return Err(format!("yaml: line {}: a key must be plain text", key.line)),
            }
        }
        for (key, value) in merged {
            if !pairs.iter().any(|(known, _)| known.text() == key.text()) {
                pairs.push((key, value));
            }
        }
        Ok(pairs)
    }
}

/// `<<: *base` or `<<: [*a, *b]`: the keys that the mapping itself does not set.
fn merge_source(value: Node, merged: &mut Vec<(Node, Node)>) -> Result<(), String> {
    match value.kind {
        Kind::Mapping(pairs) => merged.extend(pairs),
        Kind::Sequence(items) => {
            for item in items {
                match item.kind {
                    Kind::Mapping(pairs) => merged.extend(pairs),
                    _ => return Err(format!("yaml: line {}: map merge requires map", item.line)),
                }
            }
        }
        Kind::Scalar { .. } => return Err(format!("yaml: line {}: map merge requires map", value.line)),
    }
    Ok(())
}
