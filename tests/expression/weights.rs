//! The weights of characters: made from real servers, and compared with them.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    io::{Read, Write},
    path::Path,
};

use dm::rules::expression::collation::Collation;
use flate2::{Compression, write::ZlibEncoder};
use mysql_async::{Conn, prelude::Queryable};

use crate::support::{release::Release, servers::Server};

/// File, collation of utf8mb4, release, characters.
const FAMILIES: [(&str, &str, Release, u32); 5] = [
    ("general_ci", "utf8mb4_general_ci", Release::Mysql97, 0x1_0000),
    ("unicode_ci", "utf8mb4_unicode_ci", Release::Mysql97, 0x1_0000),
    ("unicode_520_ci", "utf8mb4_unicode_520_ci", Release::Mysql97, 0x2_0000),
    ("0900_as_cs", "utf8mb4_0900_as_cs", Release::Mysql97, 0x2_0000),
    ("uca1400_as_cs", "utf8mb4_uca1400_as_cs", Release::Mariadb118, 0x2_0000),
];

async fn session(server: &Server) -> Conn {
    let mut conn = server.conn().await;
    let depth = match server.kind {
        crate::support::servers::Kind::Mariadb => "max_recursive_iterations",
        _ => "cte_max_recursion_depth",
    };
    conn.query_drop(format!("SET NAMES utf8mb4, SESSION {depth} = 400000")).await.unwrap();
    conn
}

/// Hexadecimal weights of all characters but surrogates.
async fn weights(conn: &mut Conn, collation: &str, characters: u32) -> BTreeMap<u32, String> {
    let sql = format!(
        "WITH RECURSIVE s AS (SELECT 0 n UNION ALL SELECT n + 1 FROM s WHERE n < {characters} - 1) \
         SELECT n, HEX(WEIGHT_STRING(CONVERT(CHAR(n USING utf32) USING utf8mb4) COLLATE {collation})) FROM s \
         WHERE n < 55296 OR n > 57343"
    );
    let rows: Vec<(u32, Option<String>)> = conn.query(sql).await.unwrap();
    rows.into_iter().map(|(n, hex)| (n, hex.unwrap_or_default())).collect()
}

#[tokio::test]
async fn weights_are_those_of_the_servers() {
    for release in [Release::Mysql97, Release::Mariadb118] {
        let server = Server::of(release, &[]);
        let mut conn = session(&server).await;
        let mut names: Vec<String> =
            FAMILIES.iter().filter(|family| family.2 == release).map(|family| family.1.to_owned()).collect();
        let more: &[&str] = match release {
            Release::Mysql97 => &["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_ci"],
            _ => &["utf8mb4_uca1400_ai_ci", "utf8mb4_general_ci", "utf8mb4_unicode_ci"],
        };
        names.extend(more.iter().map(|name| (*name).to_owned()));
        for name in names {
            compare(&mut conn, &name).await;
        }
        single_byte(&mut conn).await;
    }
}

/// Each character beside its neighbours, near and far.
async fn compare(conn: &mut Conn, name: &str) {
    let collation = Collation::named(name).unwrap();
    let weights = weights(conn, name, 0x1_0000).await;
    let codes: Vec<u32> = weights.keys().copied().collect();
    let mut wrong = Vec::new();
    for (i, code) in codes.iter().enumerate() {
        for step in [1, 32] {
            let other = codes[(i + step) % codes.len()];
            let theirs = weights[code].cmp(&weights[&other]);
            let text = |code: u32| char::from_u32(code).unwrap().to_string().into_bytes();
            // Characters without weight compare as empty texts, which PAD SPACE makes blanks.
            if weights[code].is_empty() || weights[&other].is_empty() {
                continue;
            }
            let ours = collation.compare(&text(*code), &text(other));
            if (ours == Ordering::Equal) != (theirs == Ordering::Equal) {
                wrong.push(format!("{code:x} {other:x}: {ours:?}, the server {theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: {} pairs differ: {:?}", wrong.len(), &wrong[..wrong.len().min(10)]);
}

/// All pairs of characters of the commonest single-byte collations.
async fn single_byte(conn: &mut Conn) {
    for name in ["latin1_swedish_ci", "latin1_general_cs", "latin2_general_ci", "cp1251_general_ci", "greek_general_ci"]
    {
        let charset = name.split('_').next().unwrap();
        let list: Vec<String> = (32..=255).map(|b| format!("SELECT {b} n, UNHEX('{b:02x}') b")).collect();
        let sql = format!(
            "SELECT CONVERT(CONVERT(b USING {charset}) USING utf8mb4), HEX(WEIGHT_STRING(CONVERT(b USING {charset}) COLLATE {name})) \
             FROM ({}) t",
            list.join(" UNION ALL ")
        );
        let rows: Vec<(String, String)> = conn.query(sql).await.unwrap();
        let rows: Vec<_> = rows.into_iter().filter(|(text, _)| !matches!(text.as_str(), "?" | "" | " ")).collect();
        let collation = Collation::named(name).unwrap();
        for (a, x) in &rows {
            for (b, y) in &rows {
                assert_eq!(collation.compare(a.as_bytes(), b.as_bytes()), x.cmp(y), "{name}: {a} {b}");
            }
        }
    }
}

/// The files hold what the servers say; `DM_EXPR_WEIGHTS=write` writes them anew first. Their form is told in
/// `collation/weights.rs`.
#[tokio::test]
async fn the_files_are_what_servers_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules/expression/collation/data");
    let write = std::env::var("DM_EXPR_WEIGHTS").is_ok_and(|wish| wish == "write");
    let check = |file: &str, raw: Vec<u8>| {
        let path = folder.join(format!("{file}.z"));
        if write {
            std::fs::write(&path, deflate(&raw)).unwrap();
        }
        let mut held = Vec::new();
        flate2::read::ZlibDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut held).unwrap();
        assert!(held == raw, "{file} differs from the server's weights");
    };
    for release in [Release::Mysql97, Release::Mariadb118] {
        let server = Server::of(release, &[]);
        let mut conn = session(&server).await;
        for (file, collation, _, characters) in FAMILIES.iter().filter(|family| family.2 == release) {
            check(file, pack(&family(&mut conn, collation, *characters, release).await, *characters));
        }
        if release == Release::Mysql97 {
            check("single_byte", single_byte_file(&mut conn).await);
        }
    }
}

/// Weights with a zero between the levels.
async fn family(conn: &mut Conn, collation: &str, characters: u32, release: Release) -> BTreeMap<u32, String> {
    let mut all = weights(conn, collation, characters).await;
    if let Some(base) = collation.strip_suffix("_as_cs").filter(|_| release == Release::Mariadb118) {
        // MariaDB doesn't divide the levels: they are what each collation adds to the one before.
        let letters = weights(conn, &format!("{base}_ai_ci"), characters).await;
        let accents = weights(conn, &format!("{base}_as_ci"), characters).await;
        for (code, hex) in &mut all {
            let (one, two) = (&letters[code], &accents[code]);
            *hex = format!("{one}0000{}0000{}", &two[one.len()..], &hex[two.len()..]);
        }
    }
    all
}

fn pack(all: &BTreeMap<u32, String>, characters: u32) -> Vec<u8> {
    let mut counts = Vec::new();
    let mut words: Vec<u16> = Vec::new();
    for code in 0..characters {
        let hex = all.get(&code).map_or("", String::as_str);
        let own: Vec<u16> = hex
            .as_bytes()
            .chunks(4)
            .map(|word| u16::from_str_radix(std::str::from_utf8(word).unwrap(), 16).unwrap())
            .collect();
        counts.push(u8::try_from(own.len()).unwrap());
        words.extend(own);
    }
    let mut raw = characters.to_le_bytes().to_vec();
    raw.extend(u32::try_from(words.len()).unwrap().to_le_bytes());
    raw.extend(counts);
    let mut last = 0u16;
    let differences: Vec<u16> = words
        .iter()
        .map(|word| std::mem::replace(&mut last, *word))
        .zip(&words)
        .map(|(a, b)| b.wrapping_sub(a))
        .collect();
    raw.extend(differences.iter().map(|d| d.to_le_bytes()[0]));
    raw.extend(differences.iter().map(|d| d.to_le_bytes()[1]));
    raw
}

fn deflate(raw: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

/// Codes of each single-byte character set, and the weights of its collations that give each byte one.
async fn single_byte_file(conn: &mut Conn) -> Vec<u8> {
    let list: Vec<String> = (0..=255).map(|b| format!("SELECT {b} n, UNHEX('{b:02x}') b")).collect();
    let bytes = list.join(" UNION ALL ");
    let sql = "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS WHERE MAXLEN = 1 AND \
               CHARACTER_SET_NAME <> 'binary' ORDER BY 1";
    let charsets: Vec<String> = conn.query(sql).await.unwrap();
    let mut raw = Vec::new();
    let mut put = |name: String, data: Vec<u8>| {
        raw.push(u8::try_from(name.len()).unwrap());
        raw.extend(name.into_bytes());
        raw.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        raw.extend(data);
    };
    for charset in charsets {
        let sql = format!("SELECT n, HEX(CONVERT(CONVERT(b USING {charset}) USING utf32)) FROM ({bytes}) t ORDER BY n");
        let codes: Vec<(u16, Option<String>)> = conn.query(sql).await.unwrap();
        let code = |(n, hex): &(u16, Option<String>)| {
            let code = hex.as_ref().and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0xfffd) as u16;
            // A question mark stands for a byte that isn't assigned.
            if code == 0x3f && *n != 0x3f { 0xfffd } else { code }
        };
        put(format!("charset {charset}"), codes.iter().flat_map(|row| code(row).to_le_bytes()).collect());
        let sql = format!(
            "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE CHARACTER_SET_NAME = '{charset}' ORDER BY 1"
        );
        let collations: Vec<String> = conn.query(sql).await.unwrap();
        // Those left out have several levels, expansions or change the order of bytes.
        let left_out = |name: &String| ["_bin", "czech", "thai", "german2"].iter().any(|part| name.contains(part));
        for collation in collations.into_iter().filter(|name| !left_out(name)) {
            let sql = format!(
                "SELECT HEX(WEIGHT_STRING(CONVERT(b USING {charset}) COLLATE {collation})) FROM ({bytes}) t ORDER BY n"
            );
            let weights: Vec<String> = conn.query(sql).await.unwrap();
            assert!(weights.iter().all(|hex| hex.len() == 2), "{collation}");
            let weights = weights.iter().map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
            put(format!("collation {collation}"), weights);
        }
    }
    raw
}
