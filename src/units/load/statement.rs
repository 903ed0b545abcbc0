//! Reads LOAD DATA statements as mydumper writes them, and the little around them.

use std::collections::BTreeMap;

use super::terms::{Slot, Terms};

/// The LOAD DATA statements of a text, with the names of their files. An error says what isn't understood.
pub fn statements(text: &str) -> Result<Vec<(String, Terms)>, String> {
    let mut text = Text::of(text);
    let mut all = Vec::new();
    loop {
        match text.first_word().as_str() {
            "LOAD" => all.push(text.load_data()?),
            "" if text.rest().is_empty() => return Ok(all),
            _ => return Err("has LOAD DATA and other statements".to_owned()),
        }
    }
}

/// A text that is read from its beginning on.
pub struct Text<'a> {
    text: &'a str,
    at: usize,
    /// What SET NAMES said last.
    names: Option<String>,
}

/// What ends a statement's sentence about what isn't understood.
fn strange<T>(what: &str) -> Result<T, String> {
    Err(format!("LOAD DATA is not understood at {what}"))
}

impl<'a> Text<'a> {
    pub fn of(text: &'a str) -> Self {
        Text { text, at: 0, names: None }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Blanks and comments; SET NAMES in a comment is noted.
    fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            let len = if rest.starts_with(|c: char| c.is_ascii_whitespace()) {
                1
            } else if rest.starts_with("--") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                let len = rest.find("*/").map_or(rest.len(), |end| end + 2);
                let inner = rest.get(..len).unwrap_or_default().trim_start_matches(|c: char| !c.is_ascii_alphabetic());
                self.note_names(inner.trim_end_matches("*/"));
                len
            } else {
                return;
            };
            self.at += len;
        }
    }

    fn note_names(&mut self, statement: &str) {
        let mut words = statement.split_ascii_whitespace();
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("SET"))
            && words.next().is_some_and(|word| word.eq_ignore_ascii_case("NAMES"))
        {
            self.names = words.next().map(|name| name.trim_matches(['\'', '"']).to_ascii_lowercase());
        }
    }

    /// The first word behind what dump tools write before rows; it is consumed.
    pub fn first_word(&mut self) -> String {
        const PASSED: [&str; 8] = ["SET", "LOCK", "UNLOCK", "START", "BEGIN", "COMMIT", "USE", "ALTER"];
        loop {
            self.blanks();
            let from = self.at;
            let word = self.word();
            if self.take(";") {
                continue;
            }
            if !PASSED.contains(&word.as_str()) {
                return word;
            }
            let mut quote = None;
            let end = self.rest().find(|c| match quote {
                Some(q) => {
                    quote = (c != q).then_some(q);
                    false
                }
                None if matches!(c, '\'' | '"' | '`') => {
                    quote = Some(c);
                    false
                }
                None => c == ';',
            });
            self.at += end.unwrap_or(self.rest().len());
            self.note_names(self.text.get(from..self.at).unwrap_or_default());
        }
    }

    /// The next word in upper case, consumed; empty when there is none.
    fn word(&mut self) -> String {
        self.blanks();
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default().to_ascii_uppercase()
    }

    /// Consumes a sign if it is the next.
    fn take(&mut self, sign: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    /// Consumes words if they are the next.
    fn take_words(&mut self, words: &[&str]) -> bool {
        let from = self.at;
        let found = words.iter().all(|word| self.word() == *word);
        self.at = if found { self.at } else { from };
        found
    }

    /// A string in quotes.
    fn string(&mut self, what: &str) -> Result<Vec<u8>, String> {
        self.blanks();
        let mut bytes = self.rest().bytes();
        let Some(quote @ (b'\'' | b'"')) = bytes.next() else { return strange(what) };
        let (mut out, mut len) = (Vec::new(), 1);
        loop {
            let byte = bytes.next();
            len += 1;
            match byte {
                None => return strange(what),
                Some(b'\\') => {
                    len += 1;
                    match bytes.next() {
                        None => return strange(what),
                        Some(escaped) => out.push(unescaped(escaped)),
                    }
                }
                Some(byte) if byte == quote => {
                    if bytes.clone().next() != Some(quote) {
                        self.at += len;
                        return Ok(out);
                    }
                    bytes.next();
                    len += 1;
                    out.push(quote);
                }
                Some(byte) => out.push(byte),
            }
        }
    }

    /// A name, in quotes or bare.
    fn name(&mut self, what: &str) -> Result<String, String> {
        self.blanks();
        let rest = self.rest();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '`' | '"')) else {
            let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
            let len = rest.find(|c| !bare(c)).unwrap_or(rest.len());
            self.at += len;
            return if len > 0 { Ok(rest.get(..len).unwrap_or_default().to_owned()) } else { strange(what) };
        };
        let mut out = String::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                if chars.peek().is_none_or(|(_, next)| *next != quote) {
                    self.at += at + 1;
                    return Ok(out);
                }
                chars.next();
            }
            out.push(c);
        }
        strange(what)
    }

    /// Behind LOAD.
    fn load_data(&mut self) -> Result<(String, Terms), String> {
        if self.word() != "DATA" {
            return strange("LOAD");
        }
        self.take_words(&["LOCAL"]);
        if !self.take_words(&["INFILE"]) {
            return strange("INFILE");
        }
        let file = String::from_utf8(self.string("the file's name")?).or_else(|_| strange("the file's name"))?;
        let file = file.rsplit('/').next().unwrap_or_default().to_owned();
        _ = self.take_words(&["REPLACE"]) || self.take_words(&["IGNORE"]);
        if !self.take_words(&["INTO", "TABLE"]) {
            return strange("INTO TABLE");
        }
        self.name("the table")?;
        if self.take(".") {
            self.name("the table")?;
        }
        let mut terms = Terms {
            fields_end: b"\t".to_vec(),
            escape: Some(b'\\'),
            lines_end: b"\n".to_vec(),
            charset: self.names.clone().unwrap_or_default(),
            ..Terms::default()
        };
        if self.take_words(&["CHARACTER", "SET"]) {
            terms.charset = self
                .name("CHARACTER SET")
                .or_else(|why| self.string("").ok().and_then(|name| String::from_utf8(name).ok()).ok_or(why))?;
            terms.charset.make_ascii_lowercase();
        }
        self.signs(&mut terms)?;
        if self.take_words(&["IGNORE"]) {
            terms.ignored = self.word().parse().or_else(|_| strange("IGNORE"))?;
            if !self.take_words(&["LINES"]) && !self.take_words(&["ROWS"]) {
                return strange("IGNORE");
            }
        }
        terms.slots = self.slots()?;
        terms.check()?;
        Ok((file, terms))
    }

    /// FIELDS and LINES.
    fn signs(&mut self, terms: &mut Terms) -> Result<(), String> {
        let one = |bytes: Vec<u8>, what: &str| match bytes[..] {
            [] => Ok(None),
            [byte] => Ok(Some(byte)),
            _ => strange(what),
        };
        if self.take_words(&["FIELDS"]) || self.take_words(&["COLUMNS"]) {
            loop {
                if self.take_words(&["TERMINATED", "BY"]) {
                    terms.fields_end = self.string("FIELDS TERMINATED BY")?;
                } else if self.take_words(&["ENCLOSED", "BY"]) || self.take_words(&["OPTIONALLY", "ENCLOSED", "BY"]) {
                    terms.enclosed = one(self.string("ENCLOSED BY")?, "ENCLOSED BY")?;
                } else if self.take_words(&["ESCAPED", "BY"]) {
                    terms.escape = one(self.string("ESCAPED BY")?, "ESCAPED BY")?;
                } else {
                    break;
                }
            }
        }
        if self.take_words(&["LINES"]) {
            loop {
                if self.take_words(&["STARTING", "BY"]) {
                    terms.lines_begin = self.string("LINES STARTING BY")?;
                } else if self.take_words(&["TERMINATED", "BY"]) {
                    terms.lines_end = self.string("LINES TERMINATED BY")?;
                } else {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The columns, and what SET makes of variables, up to the statement's end.
    fn slots(&mut self) -> Result<Vec<Slot>, String> {
        let mut listed = Vec::new();
        if !self.take("(") {
            return Err("LOAD DATA names no columns".to_owned());
        }
        loop {
            let variable = self.take("@");
            listed.push((variable, self.name("the columns")?));
            if !self.take(",") {
                break;
            }
        }
        if !self.take(")") {
            return strange("the columns");
        }
        let mut set: BTreeMap<String, (String, bool)> = BTreeMap::new();
        if self.take_words(&["SET"]) {
            loop {
                let column = self.name("SET")?;
                let (variable, hex) = self.assigned()?;
                if set.insert(variable, (column, hex)).is_some() {
                    return strange("SET");
                }
                if !self.take(",") {
                    break;
                }
            }
        }
        if !self.take(";") && !self.rest().is_empty() {
            return strange("its end");
        }
        let slot = |(variable, name): (bool, String)| match (variable, set.remove(&name.to_lowercase())) {
            (false, Some(column)) => {
                // A variable of a column's name, which is another thing.
                set.insert(name.to_lowercase(), column);
                Slot { column: Some(name), hex: false }
            }
            (false, None) => Slot { column: Some(name), hex: false },
            (true, Some((column, hex))) => Slot { column: Some(column), hex },
            (true, None) => Slot { column: None, hex: false },
        };
        let slots: Vec<Slot> = listed.into_iter().map(slot).collect();
        let mut columns: Vec<String> =
            slots.iter().filter_map(|slot| slot.column.as_deref()).map(str::to_lowercase).collect();
        columns.sort();
        if !set.is_empty() || columns.is_empty() || columns.windows(2).any(|two| two.first() == two.last()) {
            return strange("SET");
        }
        Ok(slots)
    }

    /// `= @name`, `= UNHEX(@name)` or `= CONVERT(@name USING utf8mb4)`.
    fn assigned(&mut self) -> Result<(String, bool), String> {
        if !self.take("=") {
            return strange("SET");
        }
        let function = self.word();
        let wanted = match function.as_str() {
            "" => true,
            "UNHEX" | "CONVERT" => self.take("("),
            _ => false,
        };
        if !wanted || !self.take("@") {
            return strange("SET");
        }
        let variable = self.name("SET")?.to_lowercase();
        let utf8 = |text: &mut Self| {
            text.take_words(&["USING"]) && matches!(text.word().as_str(), "UTF8MB4" | "UTF8" | "UTF8MB3")
        };
        if (function == "CONVERT" && !utf8(self)) || (!function.is_empty() && !self.take(")")) {
            return strange("SET");
        }
        Ok((variable, function == "UNHEX"))
    }
}

/// The byte that a letter behind a backslash means.
pub fn unescaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 0x1a,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "/*!40101 SET NAMES binary*/;\n/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40103 SET TIME_ZONE='+00:00' */;\n";

    fn one(text: &str) -> Result<(String, Terms), String> {
        let mut all = statements(&format!("{HEADER}{text}"))?;
        assert_eq!(all.len(), 1);
        Ok(all.remove(0))
    }

    #[test]
    fn what_mydumper_writes() {
        let early = "LOAD DATA LOCAL INFILE '/dump/o.t.00000.dat' REPLACE INTO TABLE `t` FIELDS TERMINATED BY '\\t' ENCLOSED BY '' \
                     ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED BY '\\n' (`a`,`b``c`);\n";
        let (file, terms) = one(early).unwrap();
        let slot = |name: &str, hex| Slot { column: Some(name.to_owned()), hex };
        let plain = Terms {
            charset: "binary".into(),
            fields_end: b"\t".to_vec(),
            escape: Some(b'\\'),
            lines_end: b"\n".to_vec(),
            slots: vec![slot("a", false), slot("b`c", false)],
            ..Terms::default()
        };
        assert_eq!((file.as_str(), &terms), ("o.t.00000.dat", &plain));
        let late = "LOAD DATA LOCAL INFILE 'o.t.00000.dat.gz' INTO TABLE \"t\" CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' \
                    ENCLOSED BY '\"' ESCAPED BY '\\\\' LINES STARTING BY '> ' TERMINATED BY '|\\r\\n' IGNORE 1 LINES \
                    (`a`,@j,@h,@no)SET `j`=CONVERT(@j USING UTF8MB4),`x`=UNHEX(@H);\n";
        let terms = one(late).unwrap().1;
        assert_eq!((terms.charset.as_str(), terms.enclosed, terms.ignored), ("utf8mb4", Some(b'"'), 1));
        assert_eq!((&terms.lines_begin[..], &terms.lines_end[..]), (&b"> "[..], &b"|\r\n"[..]));
        let nowhere = Slot { column: None, hex: false };
        assert_eq!(terms.slots, [slot("a", false), slot("j", false), slot("x", true), nowhere]);
        assert_eq!(one("LOAD DATA INFILE 'f' INTO TABLE o.t (a)").unwrap().1.slots, [slot("a", false)]);
        assert_eq!(Text::of("-- x\nSET a = ';';INSERT INTO `t` VALUES (1);").first_word(), "INSERT");
        for bytes in 0..late.len() {
            _ = statements(&late[..bytes]);
        }
    }

    #[test]
    fn what_is_refused() {
        let file = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t ";
        for (rest, says) in [
            ("(a); INSERT INTO t VALUES (1)", "and other statements"),
            (";", "names no columns"),
            ("CHARACTER SET gbk (a)", "the character set gbk"),
            ("PARTITION (p) (a)", "names no columns"),
            ("FIELDS TERMINATED BY '' (a)", "nothing terminates"),
            ("FIELDS ENCLOSED BY '\\\\' (a)", "several things"),
            ("FIELDS TERMINATED BY '\\n\\n' (a)", "several things"),
            ("FIELDS ENCLOSED BY 'ab' (a)", "ENCLOSED BY"),
            ("(@a) SET b = @a + 1", "its end"),
            ("(@a) SET b = NOW()", "at SET"),
            ("(@a, b) SET b = @a", "at SET"),
            ("(a) SET b = @c", "at SET"),
            ("(a, A)", "at SET"),
            ("(a", "the columns"),
        ] {
            let error = one(&format!("{file}{rest}")).unwrap_err();
            assert!(error.contains(says), "{rest}: {error}");
        }
        assert!(statements(&format!("{file}(a)")).unwrap_err().contains("SET NAMES"));
    }
}
