//! REGEXP and the functions of regular expressions (manual 14.8.2). Patterns, places and kinds of match are constants.

use super::{
    collation::pieces,
    compile::{Built, Compiler, boolean},
    convert,
    functions::{Args, MAX_TEXT},
    node::{Cx, Node, Op},
    pattern::{Engine, Found, How, Pattern},
    typed::{Evaluated, Failure, Type, Val},
};

/// `value REGEXP pattern`, or a function of a value and a pattern.
pub struct RegexpNode {
    pub value: Node,
    pub pattern: Pattern,
    what: What,
}

enum What {
    Matches {
        negated: bool,
    },
    /// From the character `from` (0 is the first) on, the match number `occurrence` (1 is the first).
    Substr {
        from: usize,
        occurrence: usize,
        /// What stands for no match.
        missing: Option<&'static str>,
    },
    Instr {
        from: usize,
        occurrence: usize,
        /// The place behind the match.
        behind: bool,
    },
    /// `occurrence` 0: all.
    Replace {
        from: usize,
        occurrence: usize,
        with: Vec<Piece>,
        /// MariaDB replaces no more from the first empty match on.
        until_empty: bool,
    },
}

/// A part of a replacement.
enum Piece {
    Text(String),
    Group(usize),
}

/// `value REGEXP pattern`.
pub fn operator(compiler: &Compiler<'_>, value: Node, pattern: Node, negated: bool) -> Built {
    build_with(compiler, value, pattern, None, |_| Ok((boolean(), What::Matches { negated })))
}

/// REGEXP_LIKE and its like; None for other names.
pub fn function<'n>(compiler: &Compiler<'_>, args: Args<'n>) -> super::functions::Topic<'n> {
    let name = args.name;
    let mariadb = compiler.server.is_mariadb();
    let most = match (name, mariadb) {
        ("regexp_like", false) => 3,
        ("regexp_substr", false) => 5,
        ("regexp_instr" | "regexp_replace", false) => 6,
        ("regexp_substr" | "regexp_instr", true) => 2,
        ("regexp_replace", true) => 3,
        _ => return Err(args),
    };
    Ok(call(compiler, args, most))
}

fn call(compiler: &Compiler<'_>, args: Args<'_>, most: usize) -> Built {
    let (name, mariadb) = (args.name.to_owned(), compiler.server.is_mariadb());
    if Engine::of(compiler.server) == Engine::Spencer {
        return Err(format!("the function {} needs MySQL 8.0 or later", name.to_uppercase()));
    }
    let least = if name == "regexp_replace" { 3 } else { 2 };
    args.check(least, most)?;
    let text_type = args.text_type(2)?;
    let count = |at: usize, otherwise: i64| -> Result<usize, String> {
        if at >= args.nodes.len() {
            return Ok(otherwise as usize);
        }
        let given = args.constant_int(at).and_then(|n| usize::try_from(n).ok());
        given.ok_or_else(|| format!("places and numbers in {} must be constants", name.to_uppercase()))
    };
    let from = |at| count(at, 1)?.checked_sub(1).ok_or_else(|| "places of characters begin with 1".to_owned());
    let what = match name.as_str() {
        "regexp_like" => (boolean(), What::Matches { negated: false }),
        "regexp_substr" => {
            let missing = mariadb.then_some("");
            (text_type, What::Substr { from: from(2)?, occurrence: count(3, 1)?.max(1), missing })
        }
        "regexp_instr" => {
            let behind = match count(4, 0)? {
                0 => false,
                1 => true,
                _ => return Err("the fifth argument of REGEXP_INSTR is 0 or 1".into()),
            };
            let place = Type { whole: 8, ..Type::int(false) };
            (place, What::Instr { from: from(2)?, occurrence: count(3, 1)?.max(1), behind })
        }
        _ => {
            let occurrence = count(4, 0)?;
            let with = Vec::new();
            (text_type, What::Replace { from: from(3)?, occurrence, with, until_empty: mariadb })
        }
    };
    let kind_at = match name.as_str() {
        "regexp_like" => 2,
        "regexp_substr" => 4,
        _ => 5,
    };
    let mut nodes = args.nodes.into_iter();
    let (Some(value), Some(pattern)) = (nodes.next(), nodes.next()) else { return Err("too few arguments".into()) };
    let rest: Vec<Node> = nodes.collect();
    if rest.iter().any(|node| matches!(node.as_const(), Some(Val::Null))) {
        return Ok(Node::constant(what.0, Val::Null));
    }
    let kind = rest.get(kind_at - 2).map(|node| constant_text(node, "the kind of match")).transpose()?;
    let replacement = match &what.1 {
        What::Replace { .. } => rest.first().map(|node| constant_text(node, "the replacement")).transpose()?,
        _ => None,
    };
    build_with(compiler, value, pattern, kind, |pattern| {
        let (ty, mut what) = what;
        if let What::Replace { with, .. } = &mut what {
            *with = pieces_of(&replacement.unwrap_or_default(), pattern.groups(), mariadb)?;
        }
        Ok((ty, what))
    })
}

fn constant_text(node: &Node, what: &str) -> Result<String, String> {
    let value = node.as_const().ok_or_else(|| format!("{what} of a regular expression must be a constant"))?;
    let text = convert::text(super::node::borrow(value), &node.ty).unwrap_or_default();
    String::from_utf8(text.into_owned()).map_err(|_| format!("{what} of a regular expression is no UTF-8 text"))
}

fn build_with(
    compiler: &Compiler<'_>,
    value: Node,
    pattern: Node,
    kind: Option<String>,
    what: impl FnOnce(&Pattern) -> Result<(Type, What), String>,
) -> Built {
    let (collation, _) = super::compare::aggregate([&value.ty, &pattern.ty])?;
    let mut how = How::of(compiler.server, &collation);
    if how.engine == Engine::Icu && collation.is_binary() && compiler.server.version >= 80_022 {
        return Err("regular expressions over binary strings are an error on this server".into());
    }
    for c in kind.iter().flat_map(|kind| kind.chars()) {
        match c {
            'c' => how.sensitive = true,
            'i' => how.sensitive = false,
            'n' => how.dot_all = true,
            other => return Err(format!("the kind of match `{other}` is not supported")),
        }
    }
    let Some(constant) = pattern.as_const() else {
        return Err("a regular expression must be a constant".into());
    };
    if constant.is_null() {
        return Ok(Node::constant(boolean(), Val::Null));
    }
    let pattern = Pattern::new(&constant_text(&pattern, "the pattern")?, how)?;
    let (ty, what) = what(&pattern)?;
    Ok(Node { ty, op: Op::Regexp(Box::new(RegexpNode { value, pattern, what })) })
}

/// A replacement: `$1` of MySQL, `\1` of MariaDB; another character behind a backslash is itself.
fn pieces_of(text: &str, groups: usize, mariadb: bool) -> Result<Vec<Piece>, String> {
    let mut out = vec![Piece::Text(String::new())];
    let mut chars = text.chars().peekable();
    let mut put = |piece: Piece| match (piece, out.last_mut()) {
        (Piece::Text(more), Some(Piece::Text(text))) => text.push_str(&more),
        (piece, _) => out.push(piece),
    };
    while let Some(c) = chars.next() {
        let digit = chars.peek().and_then(|c| c.to_digit(10)).map(|digit| digit as usize);
        match (c, digit) {
            ('\\', Some(group)) if mariadb => {
                chars.next();
                put(if group <= groups { Piece::Group(group) } else { Piece::Text(String::new()) });
            }
            ('\\', _) => put(Piece::Text(chars.next().ok_or("a replacement ends with a backslash")?.into())),
            ('$', Some(group)) if !mariadb && group <= groups && groups < 10 => {
                chars.next();
                put(Piece::Group(group));
            }
            ('$', _) if !mariadb => {
                return Err(r"a `$` in a replacement that names no group of up to nine (write `\\$`)".into());
            }
            (c, _) => put(Piece::Text(c.into())),
        }
    }
    Ok(out)
}

impl RegexpNode {
    pub fn eval<'a>(&'a self, cx: &Cx<'a>) -> Evaluated<'a> {
        let Some(text) = self.value.text(cx)? else { return Ok(Val::Null) };
        match &self.what {
            What::Matches { negated } => Ok(Val::Int((self.pattern.is_match(&text) != *negated).into())),
            What::Substr { from, occurrence, missing } => Ok(match self.occurrence(&text, *from, *occurrence)? {
                Some(found) => Val::owned(text.get(found.start..found.end).unwrap_or_default()),
                None => missing.map_or(Val::Null, Val::owned),
            }),
            // An empty text has any place.
            What::Instr { from, occurrence, .. } if text.is_empty() => {
                let found = *occurrence == 1 && self.pattern.is_match(&text);
                Ok(Val::Int(if found { *from as i64 + 1 } else { 0 }))
            }
            What::Instr { from, occurrence, behind } => {
                let found = self.occurrence(&text, *from, *occurrence)?;
                let place = found.map(|found| if *behind { found.end } else { found.start });
                Ok(Val::Int(place.map_or(0, |at| self.characters(&text, at) as i64 + 1)))
            }
            What::Replace { from, occurrence, with, until_empty } => {
                self.replace(&text, *from, *occurrence, with, *until_empty)
            }
        }
    }

    fn is_bytes(&self) -> bool {
        self.value.ty.collation.is_binary()
    }

    fn characters(&self, text: &[u8], end: usize) -> usize {
        let text = text.get(..end).unwrap_or_default();
        if self.is_bytes() { text.len() } else { pieces(text).count() }
    }

    /// Where a character begins, or the text ends; further on is an error on the servers, for REGEXP_INSTR the end too.
    fn place(&self, text: &[u8], from: usize) -> Result<usize, Failure> {
        let instr = matches!(self.what, What::Instr { .. });
        let at = if from == 0 || self.is_bytes() {
            Some(from)
        } else {
            let mut at = 0;
            let mut chars = pieces(text);
            (0..from).try_for_each(|_| chars.next().map(|c| at += c.len())).map(|()| at)
        };
        let inside = at.filter(|at| *at < text.len() || *at == text.len() && !instr);
        let inside = inside.or((from == 0).then_some(0));
        inside.ok_or_else(|| Failure("the place for a regular expression is behind the text's end".into()))
    }

    fn occurrence(&self, text: &[u8], from: usize, occurrence: usize) -> Result<Option<Found>, Failure> {
        let mut at = self.place(text, from)?;
        for _ in 1..occurrence {
            match self.pattern.find_at(text, at) {
                Some(found) => match self.next(text, &found) {
                    Some(next) => at = next,
                    None => return Ok(None),
                },
                None => return Ok(None),
            }
        }
        Ok(self.pattern.find_at(text, at))
    }

    /// Where to look for the next match; an empty one is followed by a character. None: at the end.
    fn next(&self, text: &[u8], found: &Found) -> Option<usize> {
        if found.end > found.start {
            return Some(found.end);
        }
        let rest = text.get(found.end..).filter(|rest| !rest.is_empty())?;
        let width = if self.is_bytes() { 1 } else { pieces(rest).next().map_or(1, <[u8]>::len) };
        Some(found.end + width)
    }

    fn replace<'a>(
        &self,
        text: &[u8],
        from: usize,
        occurrence: usize,
        with: &[Piece],
        until_empty: bool,
    ) -> Evaluated<'a> {
        let mut at = self.place(text, from)?;
        if text.is_empty() {
            return Ok(Val::owned(""));
        }
        let (mut out, mut copied, mut number) = (Vec::new(), 0, 0);
        while let Some(found) = self.pattern.find_at(text, at) {
            if until_empty && found.start == found.end {
                break;
            }
            number += 1;
            if occurrence == 0 || number == occurrence {
                out.extend_from_slice(text.get(copied..found.start).unwrap_or_default());
                for piece in with {
                    match piece {
                        Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                        Piece::Group(group) => {
                            let place = found.groups.get(*group).copied().flatten();
                            out.extend_from_slice(place.and_then(|(a, b)| text.get(a..b)).unwrap_or_default());
                        }
                    }
                }
                copied = found.end;
                if out.len() > MAX_TEXT {
                    return Ok(Val::Null);
                }
            }
            match self.next(text, &found) {
                Some(next) if occurrence == 0 || number < occurrence => at = next,
                _ => break,
            }
        }
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
        Ok(Val::owned(out))
    }
}
