//! The check report, as DM prints it in check-task's and start-task's replies.

use serde::Serialize;

use super::sizes::Estimate;

use crate::error::{Code, DmError, Result};

/// How one check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Success,
    Warn,
    Fail,
}

/// One finding of a check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    pub severity: State,
    pub short_error: String,
    #[serde(rename = "self", skip_serializing_if = "String::is_empty")]
    pub own: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub other: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instruction: String,
}

/// The outcome of one check on one instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Outcome {
    pub id: u64,
    pub name: String,
    pub desc: String,
    pub state: State,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Finding>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instruction: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub extra: String,
}

impl Outcome {
    /// A check that found nothing yet.
    pub fn new(name: impl Into<String>, desc: &str, extra: impl Into<String>) -> Self {
        Outcome {
            id: 0,
            name: name.into(),
            desc: desc.to_owned(),
            state: State::Success,
            errors: Vec::new(),
            instruction: String::new(),
            extra: extra.into(),
        }
    }

    /// Adds a finding; the outcome is as bad as its worst finding.
    pub fn add(&mut self, severity: State, short_error: impl Into<String>, instruction: impl Into<String>) {
        let rank = |s: State| s as u8;
        if rank(severity) > rank(self.state) {
            self.state = severity;
        }
        let (own, other) = (String::new(), String::new());
        self.errors.push(Finding {
            severity,
            short_error: short_error.into(),
            own,
            other,
            instruction: instruction.into(),
        });
    }

    /// Adds a failure, the outcome's instruction becomes `instruction`.
    pub fn fail(&mut self, short_error: impl Into<String>, instruction: impl Into<String>) {
        self.add(State::Fail, short_error, "");
        self.instruction = instruction.into();
    }

    /// Adds a warning, the outcome's instruction becomes `instruction`.
    pub fn warn(&mut self, short_error: impl Into<String>, instruction: impl Into<String>) {
        self.add(State::Warn, short_error, "");
        self.instruction = instruction.into();
    }

    /// A check that could not be made because a query failed.
    pub fn broken(&mut self, e: &DmError) {
        let cause = if e.raw_cause().is_empty() { String::new() } else { format!(", RawCause: {}", e.raw_cause()) };
        self.fail(format!("Message: {}{cause}", e.message()), e.workaround_text());
    }
}

/// The numbers at the end of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Summary {
    pub passed: bool,
    pub total: usize,
    pub successful: usize,
    pub failed: usize,
    pub warning: usize,
    /// Ours: of a task that copies rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
}

/// All outcomes of one check-task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Failures and warnings, cut to the limits; successes are only counted.
    pub results: Vec<Outcome>,
    pub summary: Summary,
}

const HEADER: &str = "fail to check synchronization configuration with type";

impl Report {
    /// Numbers the outcomes, counts them and keeps at most `errors` failures and `warnings` warnings (negative: all).
    pub fn new(mut outcomes: Vec<Outcome>, errors: i64, warnings: i64) -> Self {
        for (id, outcome) in outcomes.iter_mut().enumerate() {
            outcome.id = id as u64;
        }
        let count = |state| outcomes.iter().filter(|o| o.state == state).count();
        let summary = Summary {
            passed: count(State::Fail) == 0,
            total: outcomes.len(),
            successful: count(State::Success),
            failed: count(State::Fail),
            warning: count(State::Warn),
            estimate: None,
        };
        let limit = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
        let mut left = [limit(errors), limit(warnings)];
        outcomes.retain(|o| {
            let slot = match o.state {
                State::Success => return false,
                State::Fail => &mut left[0],
                State::Warn => &mut left[1],
            };
            let keep = *slot > 0;
            *slot = slot.saturating_sub(1);
            keep
        });
        Report { results: outcomes, summary }
    }

    /// With what a full copy moves.
    pub fn with_estimate(mut self, estimate: Option<Estimate>) -> Self {
        self.summary.estimate = estimate;
        self
    }

    /// True when nothing failed.
    pub fn passed(&self) -> bool {
        self.summary.passed
    }

    /// The reply's text: empty when nothing was checked, a short one when all is well, else the report.
    pub fn to_text(&self) -> String {
        if self.summary.total == 0 {
            return String::new();
        }
        if self.summary.successful == self.summary.total {
            return "pre-check is passed. ".to_owned();
        }
        let first = self.results.iter().filter(|o| o.state == State::Fail).flat_map(|o| &o.errors);
        let first = first.map(|f| f.short_error.as_str()).find(|text| !text.is_empty());
        let reason = match (self.passed(), first) {
            (true, _) => "no errors but some warnings",
            (false, Some(text)) => text,
            (false, None) => "some checks failed",
        };
        format!("{HEADER}: {reason}\n detail: {}", self.json())
    }

    /// The text of a report that passed, or error 26005 with the report as its message.
    pub fn into_result(self) -> Result<String> {
        if self.passed() {
            return Ok(self.to_text());
        }
        Err(DmError::new(Code::TaskCheckSyncConfigError).msg(self.to_text()))
    }

    /// Indented by tabs with one more tab in front of every line but the first; `<`, `>` and `&` are escaped.
    fn json(&self) -> String {
        let mut out = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut to = serde_json::Serializer::with_formatter(&mut out, format);
        if self.serialize(&mut to).is_err() {
            return "{}".to_owned();
        }
        let text = String::from_utf8_lossy(&out).replace('\n', "\n\t");
        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_printed_as_the_original_prints_them() {
        let mut version =
            Outcome::new("mysql_version", "check whether mysql version is satisfied", "address of db instance - h:1");
        version.warn("Migrating from MariaDB is still experimental.", "Upgrade <it>.");
        let report = Report::new(vec![Outcome::new("a", "b", ""), version], 10, 10);
        let want = "fail to check synchronization configuration with type: no errors but some warnings\n detail: {\n\t\t\"results\": [\n\t\t\t{\n\t\t\t\t\"id\": 1,\n\t\t\t\t\"name\": \"mysql_version\",\n\t\t\t\t\"desc\": \"check whether mysql version is satisfied\",\n\t\t\t\t\"state\": \"warn\",\n\t\t\t\t\"errors\": [\n\t\t\t\t\t{\n\t\t\t\t\t\t\"severity\": \"warn\",\n\t\t\t\t\t\t\"short_error\": \"Migrating from MariaDB is still experimental.\"\n\t\t\t\t\t}\n\t\t\t\t],\n\t\t\t\t\"instruction\": \"Upgrade \\u003cit\\u003e.\",\n\t\t\t\t\"extra\": \"address of db instance - h:1\"\n\t\t\t}\n\t\t],\n\t\t\"summary\": {\n\t\t\t\"passed\": true,\n\t\t\t\"total\": 2,\n\t\t\t\"successful\": 1,\n\t\t\t\"failed\": 0,\n\t\t\t\"warning\": 1\n\t\t}\n\t}";
        assert_eq!(report.to_text(), want);
        assert_eq!(report.into_result().unwrap(), want);
    }

    #[test]
    fn limits_failures_and_short_texts() {
        let failing = |n: usize| {
            let mut o = Outcome::new(format!("c{n}"), "", "");
            o.fail(format!("e{n}"), "do this");
            o
        };
        let report = Report::new((0..5).map(failing).collect(), 2, -1);
        assert_eq!((report.results.len(), report.summary.failed), (2, 5));
        let error = report.into_result().unwrap_err();
        assert_eq!(error.code(), Code::TaskCheckSyncConfigError);
        assert!(error.message().starts_with(&format!("{HEADER}: e0\n detail: {{\n\t\t\"results\"")));
        assert_eq!(Report::new((0..5).map(failing).collect(), -1, 0).results.len(), 5);
        assert_eq!(Report::new(vec![], 10, 10).to_text(), "");
        assert_eq!(Report::new(vec![Outcome::new("a", "b", "")], 10, 10).to_text(), "pre-check is passed. ");
    }
}
