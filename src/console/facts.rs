//! What a row says of an actor's state: the main facts first, in a short form.

use serde_json::Value;

/// How a piece of a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Plain,
    Dim,
    Name,
    Good,
    Waiting,
    Bad,
}

impl Tone {
    /// The terminal's sequence that starts it.
    pub fn start(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Dim => "\x1b[2m",
            Tone::Name => "\x1b[1m",
            Tone::Good => "\x1b[32m",
            Tone::Waiting => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
        }
    }
}

/// One fact of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub text: String,
    pub tone: Tone,
}

/// Facts that come first, in this order; the rest follows as the actor gives it.
const FIRST: &[&str] = &[
    "unresponsive",
    "stage",
    "unit",
    "phase",
    "errors",
    "worker",
    "sources",
    "tasks",
    "epoch",
    "secondsBehindMaster",
    "rowsPerSecond",
    "bytesPerSecond",
    "progress",
];

/// A longer text is cut here.
const LONGEST: usize = 160;

/// The facts of an actor's state. Empty values say nothing and are left out; lists and objects are shown by their
/// size unless they are short.
pub fn of(kind: &str, state: &Value) -> Vec<Fact> {
    let Value::Object(state) = state else { return fact("state", state).into_iter().collect() };
    let first = FIRST.iter().filter_map(|key| state.get_key_value(*key));
    let rest = state.iter().filter(|(key, _)| !FIRST.contains(&key.as_str()));
    first.chain(rest).filter(|(key, value)| !repeats(kind, key, value)).filter_map(|(k, v)| fact(k, v)).collect()
}

/// The row's own name or kind says it already, or it is worth a place only when it is not the usual.
fn repeats(kind: &str, key: &str, value: &Value) -> bool {
    let usual = matches!(key, "stopping" | "closed" | "restarts" | "cancelled")
        && (value.as_bool() == Some(false) || value.as_u64() == Some(0));
    usual || matches!(key, "name" | "node") || value.as_str() == Some(kind)
}

fn fact(key: &str, value: &Value) -> Option<Fact> {
    let shown = short(value)?;
    let (text, tone) = match key {
        "stage" => {
            let tone = stage_tone(&shown);
            (shown, tone)
        }
        "unit" => (shown, Tone::Plain),
        "errors" | "unresponsive" => (format!("{key}: {shown}"), Tone::Bad),
        "secondsBehindMaster" => (format!("lag={shown}s"), Tone::Plain),
        "rowsPerSecond" => (format!("{shown} rows/s"), Tone::Plain),
        "bytesPerSecond" => (format!("{}/s", bytes(value).unwrap_or(shown)), Tone::Plain),
        key if key.ends_with("Bytes") => (format!("{key}={}", bytes(value).unwrap_or(shown)), Tone::Plain),
        key => (format!("{key}={shown}"), Tone::Plain),
    };
    Some(Fact { text: text.chars().take(LONGEST).collect(), tone })
}

fn stage_tone(stage: &str) -> Tone {
    match stage.to_ascii_lowercase().as_str() {
        "running" | "bound" | "finished" | "leading" | "serving" => Tone::Good,
        "paused" | "stopped" | "offline" => Tone::Bad,
        _ => Tone::Waiting,
    }
}

/// A value in a few characters; `None` when it says nothing.
fn short(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Number(n) => Some(match (n.is_f64(), n.as_f64()) {
            (true, Some(f)) => format!("{f:.1}"),
            _ => n.to_string(),
        }),
        Value::String(s) if s.is_empty() => None,
        Value::String(s) => Some(s.lines().next().unwrap_or_default().to_owned()),
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) => {
            let parts: Vec<_> = list.iter().filter_map(short).collect();
            Some(if parts.len() <= 8 { format!("[{}]", parts.join(" ")) } else { format!("[{} items]", list.len()) })
        }
        Value::Object(fields) if fields.is_empty() => None,
        Value::Object(fields) => {
            let parts: Vec<_> = fields
                .iter()
                .filter(|(k, v)| !repeats("", k, v))
                .filter_map(|(k, v)| Some(format!("{k}={}", short(v)?)))
                .collect();
            Some(if parts.len() <= 8 {
                format!("{{{}}}", parts.join(" "))
            } else {
                format!("{{{} items}}", fields.len())
            })
        }
    }
}

fn bytes(value: &Value) -> Option<String> {
    let mut size = value.as_f64()?;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return Some(if unit == "B" { format!("{size:.0} B") } else { format!("{size:.1} {unit}") });
        }
        size /= 1024.0;
    }
    Some(format!("{size:.1} TiB"))
}

/// A duration of milliseconds in its two largest units.
pub fn age(milliseconds: u64) -> String {
    let s = milliseconds / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{:02}h", s / 86400, s % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(kind: &str, state: Value) -> Vec<String> {
        of(kind, &state).into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn the_main_facts_come_first_and_empty_ones_not_at_all() {
        let state = json!({
            "extra": 7, "epoch": 3, "kind": "subtask", "errors": [], "unit": "Sync", "stage": "Running", "restarts": 0,
            "secondsBehindMaster": 2, "rowsPerSecond": 1234.56, "queueBytes": 3_500_000, "note": "", "more": {"a": 1, "b": ""},
        });
        let shown =
            ["Running", "Sync", "epoch=3", "lag=2s", "1234.6 rows/s", "extra=7", "queueBytes=3.3 MiB", "more={a=1}"];
        assert_eq!(texts("subtask", state), shown);
    }

    #[test]
    fn trouble_stands_out_and_long_texts_are_cut() {
        let facts = of("unit", &json!({"errors": [format!("{}\nsecond line", "x".repeat(500))]}));
        assert_eq!((facts[0].tone, facts[0].text.chars().count()), (Tone::Bad, LONGEST));
        let facts = of("unit", &json!({"unresponsive": "no reply in 1 s"}));
        assert_eq!(facts[0].text, "unresponsive: no reply in 1 s");
        assert_eq!(of("unit", &json!({"stage": "Paused"}))[0].tone, Tone::Bad);
        assert_eq!(texts("unit", json!("plain")), ["state=plain"]);
        assert_eq!(texts("unit", json!({"l": (0..20).collect::<Vec<_>>()})), ["l=[20 items]"]);
    }

    #[test]
    fn ages_have_two_units() {
        let ages = [999, 61_000, 3_720_000, 90_000_000].map(age);
        assert_eq!(ages, ["0s", "1m01s", "1h02m", "1d01h"]);
    }
}
