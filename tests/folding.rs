//! Folded keys against servers: what a server holds equal, under any of its collations, must fold alike. Each server groups
//! the same strings by each of its collations; the members of a group must have one fold. Folds that are alike where the
//! server tells apart are allowed and counted.
//!
//! Every day a part of the collations, the same each day; `DM_FOLD_EVERY=1`: each of them, `DM_FOLD_ALL=1`: also all
//! characters and many more sequences (minutes); `DM_FOLD_AT=port` asks a running server (root, the
//! tests' password) instead; `DM_FOLD_ONLY` a part of the collations' names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dm::units::sync::fold::{Decode, TextFold, on_mariadb};
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use unicode_normalization::UnicodeNormalization;

use crate::support::{
    release::Release,
    servers::{PASSWORD, Server, USER},
};

/// Strings of every script, with what languages contract and expand.
fn strings(all: bool) -> Vec<String> {
    let mut out: BTreeSet<String> = BTreeSet::new();
    let mut random = StdRng::seed_from_u64(5);
    let letters: Vec<char> = ('a'..='z').collect();
    for a in ('a'..='z').chain('A'..='Z') {
        for b in ('a'..='z').chain('A'..='Z') {
            out.insert([a, b].iter().collect());
        }
    }
    for word in
        ["dzs", "Dzs", "dž", "Dž", "nj", "lj", "ʼn", "ĳ", "ij", "ŀ", "l·", "c'h", "C’h", "a", "", " ", "ab ", "ab"]
    {
        out.insert(word.to_owned());
        out.insert(format!("{word} "));
    }
    // Doubled digraphs of Hungarian: ccs is cs-cs.
    for digraph in ["cs", "dz", "gy", "ly", "ny", "sz", "ty", "zs", "dzs", "ch", "ll", "rr", "aa"] {
        let first = &digraph[..1];
        out.extend([
            format!("{first}{digraph}"),
            format!("{digraph}{digraph}"),
            format!("{}{digraph}", first.to_uppercase()),
        ]);
    }
    let singles: Vec<char> = (0..0x2_0000).filter_map(char::from_u32).collect();
    let chosen: Vec<char> = singles
        .iter()
        .copied()
        .filter(|c| all || (*c as u32) < 0x600 || (0x1e00..0x2000).contains(&(*c as u32)) || random.random_bool(0.03))
        .collect();
    for c in &chosen {
        out.insert(c.to_string());
        out.insert(c.to_string().nfd().collect());
        out.insert(c.to_string().nfkd().collect());
        out.extend([c.to_lowercase().collect::<String>(), c.to_uppercase().collect()]);
    }
    pairs_of_scripts(all, &mut out, &mut random);
    for _ in 0..if all { 20_000 } else { 300 } {
        let word: Vec<char> = (0..random.random_range(3..6)).map(|_| *letters.choose(&mut random).unwrap()).collect();
        out.insert(word.iter().collect());
        let mixed: Vec<char> = (0..random.random_range(1..5)).map(|_| *chosen.choose(&mut random).unwrap()).collect();
        out.insert(mixed.iter().collect());
    }
    if all {
        for a in &letters {
            for b in &letters {
                out.extend(letters.iter().map(|c| [*a, *b, *c].iter().collect::<String>()));
            }
        }
        for i in 0..9usize.pow(4) {
            let of = |n: usize| ['c', 'd', 'g', 'l', 'n', 's', 't', 'y', 'z'][i / 9usize.pow(n as u32) % 9];
            out.insert((0..4).map(of).collect());
        }
    }
    out.into_iter().collect()
}

/// Neighbours of one block, where scripts have contractions: vowel signs, prefixed vowels, marks of length.
fn pairs_of_scripts(all: bool, out: &mut BTreeSet<String>, random: &mut StdRng) {
    let blocks = [(0x300, 0x370), (0x400, 0x460), (0x600, 0x670), (0xe00, 0xe80), (0xe80, 0xf00), (0x3041, 0x30ff)];
    let indic = (0x900..0xe00).step_by(0x80).map(|start| (start, start + 0x80));
    let more = [(0x1000, 0x1090), (0x1780, 0x17d4), (0x1980, 0x19e0), (0x1b00, 0x1b50), (0xaa80, 0xaae0)];
    for (from, to) in blocks.into_iter().chain(indic).chain(more) {
        for a in (from..to).filter_map(char::from_u32) {
            for b in (from..to).filter_map(char::from_u32) {
                if all || random.random_bool(0.01) {
                    out.insert([a, b].iter().collect());
                }
            }
        }
    }
    // Letters with combining marks, in any order.
    for base in ('a'..='z').chain(['А', 'И', 'и', 'у', 'ا', 'و', 'ي']) {
        for mark in (0x300..0x370).filter_map(char::from_u32) {
            if all || random.random_bool(0.1) {
                out.insert([base, mark].iter().collect());
            }
        }
    }
}

/// Full name and character set of every collation.
async fn collations(conn: &mut Conn) -> Vec<(String, String)> {
    let full = "SELECT FULL_COLLATION_NAME, CHARACTER_SET_NAME FROM \
                information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE CHARACTER_SET_NAME IS NOT NULL";
    let plain = "SELECT COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS";
    let mut found: Vec<(String, String)> = match conn.query(full).await {
        Ok(found) => found,
        Err(_) => conn.query(plain).await.unwrap(),
    };
    if let Ok(only) = std::env::var("DM_FOLD_ONLY") {
        found.retain(|(name, _)| name.contains(&only));
    }
    if std::env::var("DM_FOLD_ALL").is_err() {
        // MariaDB has hundreds for each of its five Unicode character sets, alike but for the bytes.
        let many = found.len() > 500;
        found.retain(|(_, charset)| !many || !matches!(charset.as_str(), "utf8mb3" | "ucs2" | "utf16" | "utf32"));
    }
    found.sort();
    let every = ["DM_FOLD_EVERY", "DM_FOLD_ALL", "DM_FOLD_ONLY"].iter().any(|name| std::env::var_os(name).is_some());
    if !every {
        // Defaults, and of the others each fifth.
        let mut others = 0;
        found.retain(|(name, _)| {
            let common =
                ["general_ci", "unicode_ci", "_0900_ai_ci", "1400_ai_ci", "swedish_ci", "chinese_ci", "binary"];
            others += 1;
            others % 5 == 0 || common.iter().any(|end| name.ends_with(end))
        });
    }
    found
}

struct Outcome {
    wrong: Vec<String>,
    alike: u64,
    pairs: u64,
}

/// The strings of a character set, as a table of the server with numbers, and as the server keeps them.
async fn fill(conn: &mut Conn, charset: &str, strings: &[String]) -> HashMap<u32, Vec<u8>> {
    let table = format!("conflict_fold.s_{charset}");
    let column =
        if charset == "binary" { "VARBINARY(60)".to_owned() } else { format!("VARCHAR(60) CHARACTER SET {charset}") };
    conn.query_drop(format!("DROP TABLE IF EXISTS {table}")).await.unwrap();
    conn.query_drop(format!("CREATE TABLE {table} (n INT PRIMARY KEY, s {column} NOT NULL) ENGINE=MyISAM"))
        .await
        .unwrap();
    for (chunk, strings) in strings.chunks(5000).enumerate() {
        let rows: Vec<String> = strings
            .iter()
            .enumerate()
            .map(|(i, s)| {
                let hex: String = s.bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("({},CONVERT(_binary x'{hex}' USING utf8mb4))", chunk * 5000 + i)
            })
            .collect();
        conn.query_drop(format!("INSERT IGNORE INTO {table} VALUES {}", rows.join(","))).await.unwrap();
    }
    let kept: Vec<(u32, Vec<u8>, String)> =
        conn.query(format!("SELECT n, CAST(s AS BINARY), HEX(CONVERT(s USING utf8mb4)) FROM {table}")).await.unwrap();
    let mut out = HashMap::new();
    let mut lost = Vec::new();
    for (n, bytes, hex) in kept {
        let same: String = strings[n as usize].bytes().map(|byte| format!("{byte:02X}")).collect();
        if hex == same {
            out.insert(n, bytes);
        } else {
            lost.push(n.to_string());
        }
    }
    for lost in lost.chunks(10_000) {
        conn.query_drop(format!("DELETE FROM {table} WHERE n IN ({})", lost.join(","))).await.unwrap();
    }
    out
}

async fn check(conn: &mut Conn, name: &str, charset: &str, mariadb: bool, kept: &HashMap<u32, Vec<u8>>) -> Outcome {
    let collate = if charset == "binary" { String::new() } else { format!("COLLATE {name}") };
    let sql = format!("SELECT GROUP_CONCAT(n) FROM conflict_fold.s_{charset} GROUP BY s {collate}");
    let groups: Vec<String> = conn.query(sql).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let own = if mariadb { on_mariadb(name) } else { name.to_owned() };
    let (fold, decode) = (TextFold::of(&own), Decode::of(charset).unwrap());
    // Tables with keys under these keep their order.
    let unknown = ["persian", "myanmar", "_fa_"].iter().any(|language| name.contains(language));
    assert!(fold.is_known() != unknown, "{name} is not known");
    let mut folded: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for group in &groups {
        let members: Vec<u32> = group.split(',').map(|n| n.parse().unwrap()).collect();
        seen += members.len();
        let folds: Vec<Vec<u8>> = members
            .iter()
            .map(|n| {
                let mut out = Vec::new();
                fold.write(&decode.read(&kept[n]), &mut out);
                out
            })
            .collect();
        if let Some(other) = folds.iter().position(|fold| *fold != folds[0]) {
            let text = |i: usize| String::from_utf8_lossy(&decode.read(&kept[&members[i]])).into_owned();
            wrong.push(format!("{:?} and {:?}", text(0), text(other)));
        }
        let entry = folded.entry(folds.into_iter().next().unwrap()).or_default();
        *entry = (entry.0 + 1, entry.1 + members.len() as u64);
    }
    assert_eq!(seen, kept.len(), "{name}: the server cut a group");
    let alike = folded.values().map(|(groups, _)| groups * (groups - 1) / 2).sum();
    let groups = groups.len() as u64;
    Outcome { wrong, alike, pairs: groups * (groups.max(1) - 1) / 2 }
}

async fn check_server(mut conn: Conn, title: &str) {
    let strings = strings(std::env::var("DM_FOLD_ALL").is_ok());
    conn.query_drop("SET SESSION sql_mode = '', SESSION group_concat_max_len = 50000000").await.unwrap();
    conn.query_drop("CREATE DATABASE IF NOT EXISTS conflict_fold").await.unwrap();
    let all = collations(&mut conn).await;
    let version: Option<String> = conn.query_first("SELECT VERSION()").await.unwrap();
    let mariadb = version.unwrap().contains("MariaDB");
    let mut kept = HashMap::new();
    let (mut wrong, mut alike, mut pairs, mut worst) = (Vec::new(), 0, 0, (0.0, String::new()));
    for (name, charset) in &all {
        if !kept.contains_key(charset) {
            kept.insert(charset.clone(), fill(&mut conn, charset, &strings).await);
        }
        let outcome = check(&mut conn, name, charset, mariadb, &kept[charset]).await;
        if !outcome.wrong.is_empty() {
            let shown: Vec<&String> = outcome.wrong.iter().take(if all.len() < 5 { 2000 } else { 25 }).collect();
            wrong.push(format!("{name}: {}: {shown:?}", outcome.wrong.len()));
        }
        if !TextFold::of(name).is_known() {
            continue;
        }
        alike += outcome.alike;
        pairs += outcome.pairs;
        let rate = outcome.alike as f64 / outcome.pairs.max(1) as f64;
        if rate > worst.0 {
            worst = (rate, name.clone());
        }
    }
    conn.query_drop("DROP DATABASE conflict_fold").await.unwrap();
    eprintln!(
        "{title}: {} collations, {} strings, {alike} of {pairs} pairs of different texts fold alike ({:.4} %), most in {} ({:.3} %)",
        all.len(),
        strings.len(),
        alike as f64 * 100.0 / pairs.max(1) as f64,
        worst.1,
        worst.0 * 100.0
    );
    assert!(wrong.is_empty(), "{title}: equal there, but folded apart:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_a_server_holds_equal_folds_alike() {
    if let Ok(port) = std::env::var("DM_FOLD_AT") {
        let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port.parse().unwrap());
        let conn = Conn::new(opts.user(Some(USER)).pass(Some(PASSWORD)).prefer_socket(false)).await.unwrap();
        return check_server(conn, &port).await;
    }
    for release in [Release::Mysql97, Release::Mariadb118] {
        let server = Server::of(release, &[]);
        check_server(server.conn().await, release.title()).await;
    }
}
