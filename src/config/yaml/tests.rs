use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::config::{SourceConfig, TaskConfig};

/// How single values are printed: text that would read as something else is quoted.
#[test]
fn scalars_are_quoted_as_the_original_quotes_them() {
    for (text, printed) in [
        ("abc", "abc"),
        ("", "\"\""),
        ("64", "\"64\""),
        ("1.5", "\"1.5\""),
        ("true", "\"true\""),
        ("yes", "\"yes\""),
        ("null", "\"null\""),
        ("~", "\"~\""),
        ("2021-10-21", "\"2021-10-21\""),
        ("+08:00", "\"+08:00\""),
        ("12:30:45", "\"12:30:45\""),
        ("******", "'******'"),
        ("*a", "'*a'"),
        ("a*", "a*"),
        ("a: b", "'a: b'"),
        ("a:b", "a:b"),
        ("a #b", "'a #b'"),
        ("a#b", "a#b"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("-", "'-'"),
        ("- a", "'- a'"),
        ("-a", "-a"),
        ("it's", "it's"),
        ("'x", "'''x'"),
        ("@a", "'@a'"),
        ("^_(.+)_(?:new|gho)$", "^_(.+)_(?:new|gho)$"),
        ("a\tb", "\"a\\tb\""),
        ("a\nb", "|-\n  a\n  b"),
        ("a\nb\n", "|\n  a\n  b"),
        ("60s", "60s"),
        ("0-3407-94937", "0-3407-94937"),
        ("3E1-56:1-10", "3E1-56:1-10"),
    ] {
        let yaml = Yaml::Map(vec![("k".into(), Yaml::Text(text.into()))]);
        assert_eq!(yaml.to_text(), format!("k: {printed}\n"), "{text:?}");
    }
}

#[test]
fn lists_stand_below_their_key() {
    let text = |t: &str| Yaml::Text(t.into());
    let item = Yaml::Map(vec![("a".into(), text("1x")), ("b".into(), Yaml::Seq(vec![text("c")]))]);
    let yaml = Yaml::Map(vec![
        ("l".into(), Yaml::Seq(vec![item, Yaml::Seq(vec![text("d"), text("e")]), Yaml::Map(vec![])])),
        ("z".into(), Yaml::Null),
    ]);
    assert_eq!(yaml.to_text(), "l:\n- a: 1x\n  b:\n  - c\n- - d\n  - e\n- {}\nz: null\n");
}

#[test]
fn any_text_is_read_back_as_itself() {
    let mut random = StdRng::seed_from_u64(7);
    let alphabet: Vec<char> = " \t\n:#-?*&!|>'\"%@`,[]{}=~.0189xeTynaNé漢\u{1}\u{85}\u{2028}\\/<".chars().collect();
    for _ in 0..4_000 {
        let length = random.random_range(0..9);
        let pick = |random: &mut StdRng| alphabet[random.random_range(0..alphabet.len())];
        let value: String = (0..length).map(|_| pick(&mut random)).collect();
        let key: String = (0..3).map(|_| pick(&mut random)).collect();
        let map = BTreeMap::from([(format!("k{}", key.replace(['\n', '<'], "")), vec![value.clone(), "end".into()])]);
        let printed = map.encode().to_text();
        let again: Result<BTreeMap<String, Vec<String>>, String> = from_yaml(&printed);
        assert_eq!(again.as_ref(), Ok(&map), "{value:?}\n{printed}");
    }
}

#[test]
fn numbers_and_booleans_of_yaml_1_1() {
    let read = |text: &str| from_yaml::<BTreeMap<String, i64>>(&format!("k: {text}")).ok().map(|map| map["k"]);
    for (text, value) in [
        ("5", Some(5)),
        ("-5", Some(-5)),
        ("1_000", Some(1000)),
        ("0x1F", Some(31)),
        ("010", Some(8)),
        ("0b11", Some(3)),
        ("\"5\"", None),
        ("5.0", None),
        ("99999999999999999999", None),
        ("!!str 5", None),
    ] {
        assert_eq!(read(text), value, "{text}");
    }
    let read = |text: &str| from_yaml::<BTreeMap<String, bool>>(&format!("k: {text}")).ok().map(|map| map["k"]);
    for (text, value) in
        [("yes", Some(true)), ("Off", Some(false)), ("TRUE", Some(true)), ("'true'", None), ("1", None)]
    {
        assert_eq!(read(text), value, "{text}");
    }
}

#[test]
fn a_password_is_not_shown_in_an_error() {
    let error = SourceConfig::from_yaml("from:\n  password: [s3cret]\n  port: s3\n").unwrap_err().to_string();
    assert!(error.contains("key from.password") && !error.contains("s3cret"), "{error}");
}

/// Whatever bytes a user's file holds, the answer is a config or an error.
#[test]
fn rubbish_never_panics() {
    let mut random = StdRng::seed_from_u64(11);
    let seeds = [crate::config::samples::TASK_ADVANCED, crate::config::samples::SOURCE, crate::config::samples::MASTER];
    for round in 0..250 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..random.random_range(1..12) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\n:-[]{}&*!|>'\"#, \t"[random.random_range(0..18)]),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        SourceConfig::from_yaml(&text).ok();
        if let Ok(task) = TaskConfig::from_yaml(&text) {
            task.expand(&BTreeMap::new()).ok();
        }
        crate::config::MasterConfig::from_toml("f", &text).ok();
        crate::config::DmctlConfig::from_toml("f", &text).ok();
        crate::observe::redact(&text);
        text.parse::<crate::config::GoDuration>().ok();
        crate::config::size::parse_size(&text, 1);
    }
}
