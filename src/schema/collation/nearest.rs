//! Which of a server's collations is nearest to one that it lacks.
//!
//! The rules, in this order: the same character set; the same case and accent sensitivity (a finer one before a
//! coarser one, for a coarser one makes keys collide); the same treatment of trailing blanks; the same language;
//! no language before another one; the nearest version of the Unicode rules; then the name, so that the choice never
//! depends on a server's order.

use super::traits::{Rules, Sensitivity, Traits};

/// How a mapped collation differs from the wanted one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Difference {
    /// Values that differed only in case are equal now.
    pub case_lost: bool,
    /// Values that differed only in accents are equal now.
    pub accent_lost: bool,
    /// Values that differed only in trailing blanks are equal now.
    pub padded: bool,
    /// Values that were equal differ now.
    pub finer: bool,
    /// The language's own rules are lost or others.
    pub language: bool,
    /// Another version of the rules: rare characters may compare otherwise.
    pub rules: bool,
}

impl Difference {
    /// Between a collation and the one that stands for it.
    pub fn between(wanted: &Traits, given: &Traits) -> Difference {
        let (w, g) = (wanted.sensitivity, given.sensitivity);
        let finer = (!w.case && g.case) || (!w.accent && g.accent) || (!w.binary && g.binary);
        Difference {
            case_lost: w.case && !g.case,
            accent_lost: w.accent && !g.accent,
            padded: wanted.no_pad && !given.no_pad,
            finer: finer || (!wanted.no_pad && given.no_pad),
            language: wanted.language != given.language && !(g.binary && w.binary),
            rules: !(g.binary && w.binary)
                && wanted.rules != given.rules
                && !matches!(
                    (wanted.rules, given.rules),
                    (Rules::Uca900, Rules::Uca1400) | (Rules::Uca1400, Rules::Uca900)
                ),
        }
    }

    /// Values that the source keeps apart in a unique key may collide.
    pub fn is_coarser(&self) -> bool {
        self.case_lost || self.accent_lost || self.padded
    }

    /// In words; empty when nothing is known to differ.
    pub fn text(&self) -> String {
        let parts = [
            (self.case_lost, "case no longer counts"),
            (self.accent_lost, "accents no longer count"),
            (self.padded, "trailing blanks no longer count"),
            (self.finer, "values that were equal may differ"),
            (self.language, "rules of another language"),
            (self.rules, "another version of the rules"),
        ];
        parts.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect::<Vec<_>>().join(", ")
    }
}

/// The nearest of `candidates` (canonical names), None when none has the character set.
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = Traits::of(wanted);
    let same_charset = candidates.map(|name| (name, Traits::of(name))).filter(|(_, t)| t.charset == wanted.charset);
    same_charset.min_by_key(|(name, t)| (distance(&wanted, t), *name)).map(|(name, _)| name)
}

/// Smaller is nearer; compared part by part.
fn distance(wanted: &Traits, given: &Traits) -> (u32, u32, u32, u32) {
    let padding = match (wanted.no_pad, given.no_pad) {
        (a, b) if a == b => 0,
        (false, true) => 1,
        _ => 2,
    };
    let language = if wanted.language == given.language {
        0
    } else if given.language.is_empty() {
        1
    } else {
        2
    };
    // Binary collations know no language.
    let language = if given.sensitivity.binary { 0 } else { language };
    let rules = (wanted.rules as i32 - given.rules as i32).unsigned_abs();
    (sensitivity(wanted.sensitivity, given.sensitivity), padding, language, rules)
}

/// A step finer costs 1, a step coarser 10: what is lost makes keys collide.
fn sensitivity(wanted: Sensitivity, given: Sensitivity) -> u32 {
    let step = |wanted: bool, given: bool| match (wanted, given) {
        (true, false) => 10,
        (false, true) => 1,
        _ => 0,
    };
    // Between binary and a collation that tells case and accents apart there is hardly a step.
    let binary = step(wanted.binary, given.binary);
    4 * step(wanted.case, given.case) + 4 * step(wanted.accent, given.accent) + binary.min(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARIADB_10_5: [&str; 12] = [
        "utf8mb4_bin",
        "utf8mb4_general_ci",
        "utf8mb4_general_nopad_ci",
        "utf8mb4_nopad_bin",
        "utf8mb4_swedish_ci",
        "utf8mb4_german2_ci",
        "utf8mb4_unicode_520_ci",
        "utf8mb4_unicode_520_nopad_ci",
        "utf8mb4_unicode_ci",
        "utf8mb4_unicode_nopad_ci",
        "utf8mb3_general_ci",
        "latin1_swedish_ci",
    ];
    const MARIADB_10_11: [&str; 14] = [
        "utf8mb4_bin",
        "utf8mb4_general_ci",
        "utf8mb4_nopad_bin",
        "utf8mb4_unicode_520_nopad_ci",
        "utf8mb4_uca1400_ai_ci",
        "utf8mb4_uca1400_as_ci",
        "utf8mb4_uca1400_as_cs",
        "utf8mb4_uca1400_nopad_ai_ci",
        "utf8mb4_uca1400_nopad_ai_cs",
        "utf8mb4_uca1400_nopad_as_ci",
        "utf8mb4_uca1400_nopad_as_cs",
        "utf8mb4_uca1400_swedish_nopad_ai_ci",
        "utf8mb4_uca1400_swedish_ai_ci",
        "utf8mb4_uca1400_german2_nopad_as_cs",
    ];
    const MYSQL_8: [&str; 17] = [
        "utf8mb4_0900_ai_ci",
        "utf8mb4_0900_as_ci",
        "utf8mb4_0900_as_cs",
        "utf8mb4_0900_bin",
        "utf8mb4_bin",
        "utf8mb4_general_ci",
        "utf8mb4_unicode_ci",
        "utf8mb4_unicode_520_ci",
        "utf8mb4_swedish_ci",
        "utf8mb4_sv_0900_ai_ci",
        "utf8mb4_ja_0900_as_cs",
        "utf8mb3_general_ci",
        "utf8mb3_bin",
        "utf8mb3_unicode_520_ci",
        "latin1_swedish_ci",
        "latin1_bin",
        "latin1_danish_ci",
    ];
    const TIDB: [&str; 10] = [
        "ascii_bin",
        "binary",
        "latin1_bin",
        "utf8mb3_bin",
        "utf8mb3_general_ci",
        "utf8mb3_unicode_ci",
        "utf8mb4_bin",
        "utf8mb4_general_ci",
        "utf8mb4_unicode_ci",
        "utf8mb4_0900_ai_ci",
    ];

    #[test]
    fn the_nearest_by_the_rules() {
        for (wanted, candidates, found) in [
            ("utf8mb4_0900_ai_ci", &MARIADB_10_5[..], "utf8mb4_unicode_520_nopad_ci"),
            ("utf8mb4_0900_as_cs", &MARIADB_10_5[..], "utf8mb4_nopad_bin"),
            ("utf8mb4_0900_as_ci", &MARIADB_10_5[..], "utf8mb4_nopad_bin"),
            ("utf8mb4_0900_bin", &MARIADB_10_5[..], "utf8mb4_nopad_bin"),
            ("utf8mb4_sv_0900_ai_ci", &MARIADB_10_5[..], "utf8mb4_unicode_520_nopad_ci"),
            ("utf8mb4_0900_ai_ci", &MARIADB_10_11[..], "utf8mb4_uca1400_nopad_ai_ci"),
            ("utf8mb4_0900_as_ci", &MARIADB_10_11[..], "utf8mb4_uca1400_nopad_as_ci"),
            ("utf8mb4_0900_as_cs", &MARIADB_10_11[..], "utf8mb4_uca1400_nopad_as_cs"),
            ("utf8mb4_0900_bin", &MARIADB_10_11[..], "utf8mb4_nopad_bin"),
            ("utf8mb4_sv_0900_ai_ci", &MARIADB_10_11[..], "utf8mb4_uca1400_swedish_nopad_ai_ci"),
            ("utf8mb4_de_pb_0900_as_cs", &MARIADB_10_11[..], "utf8mb4_uca1400_german2_nopad_as_cs"),
            ("utf8mb4_ja_0900_as_cs_ks", &MARIADB_10_11[..], "utf8mb4_uca1400_nopad_as_cs"),
            ("utf8mb4_uca1400_ai_ci", &MYSQL_8[..], "utf8mb4_unicode_520_ci"),
            ("utf8mb4_uca1400_nopad_ai_ci", &MYSQL_8[..], "utf8mb4_0900_ai_ci"),
            ("utf8mb4_uca1400_as_cs", &MYSQL_8[..], "utf8mb4_0900_as_cs"),
            ("utf8mb4_uca1400_swedish_ai_ci", &MYSQL_8[..], "utf8mb4_swedish_ci"),
            ("utf8mb4_uca1400_swedish_nopad_ai_ci", &MYSQL_8[..], "utf8mb4_sv_0900_ai_ci"),
            ("utf8mb4_general1400_as_ci", &MYSQL_8[..], "utf8mb4_0900_as_ci"),
            ("utf8mb4_nopad_bin", &MYSQL_8[..], "utf8mb4_0900_bin"),
            ("utf8mb4_unicode_520_nopad_ci", &MYSQL_8[..], "utf8mb4_0900_ai_ci"),
            ("utf8mb3_uca1400_ai_ci", &MYSQL_8[..], "utf8mb3_unicode_520_ci"),
            ("utf8mb3_general1400_as_ci", &MYSQL_8[..], "utf8mb3_bin"),
            ("latin1_swedish_nopad_ci", &MYSQL_8[..], "latin1_swedish_ci"),
            ("latin1_nopad_bin", &MYSQL_8[..], "latin1_bin"),
            ("latin1_swedish_ci", &TIDB[..], "latin1_bin"),
            ("ascii_general_ci", &TIDB[..], "ascii_bin"),
            ("utf8mb4_unicode_520_ci", &TIDB[..], "utf8mb4_unicode_ci"),
            ("utf8_unicode_520_ci", &TIDB[..], "utf8mb3_unicode_ci"),
            ("utf8mb4_0900_as_cs", &TIDB[..], "utf8mb4_bin"),
            ("utf8mb4_0900_ai_ci", &TIDB[..9], "utf8mb4_unicode_ci"),
        ] {
            assert_eq!(nearest(wanted, candidates.iter().copied()), Some(found), "{wanted}");
        }
        assert_eq!(nearest("gb2312_chinese_ci", TIDB.iter().copied()), None);
        assert_eq!(nearest("nonsense", MYSQL_8.iter().copied()), None);
    }

    #[test]
    fn differences_in_words() {
        let between = |a: &str, b: &str| Difference::between(&Traits::of(a), &Traits::of(b));
        assert_eq!(between("utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci").text(), "");
        assert_eq!(between("utf8mb4_0900_bin", "utf8mb4_nopad_bin").text(), "");
        let coarser = between("utf8mb4_0900_ai_ci", "utf8mb4_unicode_ci");
        assert!(coarser.is_coarser() && coarser.padded && !coarser.case_lost);
        let finer = between("latin1_swedish_ci", "latin1_bin");
        assert!(finer.finer && !finer.is_coarser(), "{}", finer.text());
        assert!(
            between("utf8mb4_0900_as_cs", "utf8mb4_general_ci").text().starts_with("case no longer counts, accents")
        );
    }
}
