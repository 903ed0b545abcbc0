//! Which line of a file a check's message is about. Checks look at finished structs, which know no lines; their messages
//! name keys and values, which the tree of the file has with lines.

use super::node::{Kind, Node};

/// The line of the key that `message` names, preferring the one whose value it shows; `None` if no key fits.
/// `mysql-instances[1]` in the message limits the search to that list entry.
pub fn locate(text: &str, message: &str) -> Option<usize> {
    let root = Node::parse(text).ok()??;
    let scope = instance(&root, message).unwrap_or(&root);
    let mut best: Option<(u8, usize)> = None;
    walk(scope, message, &mut best);
    best.map(|(_, line)| line).or((!std::ptr::eq(scope, &root)).then_some(scope.line))
}

/// The list entry that `key[index]` at the message's start names.
fn instance<'a>(root: &'a Node, message: &str) -> Option<&'a Node> {
    let (key, rest) = message.split_once('[')?;
    let index: usize = rest.split_once(']')?.0.parse().ok()?;
    let Kind::Mapping(pairs) = &root.kind else { return None };
    let (_, list) = pairs.iter().find(|(name, _)| name.text() == Some(key))?;
    let Kind::Sequence(items) = &list.kind else { return None };
    items.get(index)
}

fn walk(node: &Node, message: &str, best: &mut Option<(u8, usize)>) {
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::Sequence(items) => items.iter().for_each(|item| walk(item, message, best)),
        Kind::Mapping(pairs) => {
            for (key, value) in pairs {
                let named = key.text().is_some_and(|name| has_word(message, name));
                let rank = match named {
                    true if shows(message, value) => 2,
                    true => 1,
                    false => 0,
                };
                if rank > best.map_or(0, |(rank, _)| rank) {
                    *best = Some((rank, key.line));
                }
                walk(value, message, best);
            }
        }
    }
}

/// The message holds the value, or one of a list's values, in quotes.
fn shows(message: &str, value: &Node) -> bool {
    match &value.kind {
        Kind::Scalar { text, .. } => !text.is_empty() && message.contains(&format!("{text:?}")),
        Kind::Sequence(items) => items.iter().any(|item| shows(message, item)),
        Kind::Mapping(_) => false,
    }
}

/// `word` stands alone in `text`, not as a part of a longer key.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || "-_".contains(c);
    !word.is_empty()
        && text
            .match_indices(word)
            .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}
