//! Our tables of character sets against servers: all bytes of the one-byte ones, all codes of the East Asian ones.

use dm::schema::ddl::{decode_bytes, upper_half};
use mysql_async::prelude::Queryable;

use crate::support::servers::{self, Server};

const CHARSETS: [&str; 23] = [
    "armscii8", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8", "geostd8", "greek",
    "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman",
    "tis620",
];

/// What the server has for each byte: the code of its character; None where it has none.
async fn asked(server: &Server, charset: &str) -> Vec<Option<u32>> {
    let byte = |byte: u32| format!("HEX(CONVERT(_{charset} x'{byte:02X}' USING utf32))");
    let query = format!("SELECT CONCAT_WS(',', {})", (0..256).map(byte).collect::<Vec<_>>().join(", "));
    let codes = server.text(&query).await;
    let code = |(byte, hex): (u32, &str)| {
        let code = u32::from_str_radix(hex, 16).unwrap();
        // What a server can't convert is a question mark or U+FFFD.
        (code != 0xfffd && (code != 0x3f || byte == 0x3f)).then_some(code)
    };
    codes.split(',').enumerate().map(|(byte, hex)| code((byte as u32, hex))).collect()
}

async fn compare(server: Server) {
    for charset in CHARSETS {
        let asked = asked(&server, charset).await;
        let ascii: Vec<_> = (0..128).map(Some).collect();
        assert_eq!(asked[..128], ascii, "{charset}");
        let ours = upper_half(charset).unwrap().map(|code| (code != 0).then_some(u32::from(code)));
        assert_eq!(asked[128..], ours, "{charset}");
    }
}

#[tokio::test]
async fn one_byte_character_sets_are_the_servers_own() {
    compare(servers::mysql()).await;
    compare(servers::mariadb()).await;
}

const MULTI_BYTE: [&str; 9] = ["gbk", "gb2312", "gb18030", "big5", "sjis", "cp932", "ujis", "eucjpms", "euckr"];

/// First bytes of the codes of four bytes that are asked for.
const FOUR_BYTES: [&str; 6] = ["81", "82", "83", "84", "90", "e3"];

/// Queries for all codes of a character set: of one byte, of two, of three that begin with 0x8f, some of four.
fn codes(charset: &str) -> Vec<String> {
    let mut all = vec![
        "SELECT n AS code FROM charsets.n".to_owned(),
        "SELECT CONCAT(a.n, b.n) AS code FROM charsets.n a, charsets.n b WHERE a.n >= x'80'".to_owned(),
    ];
    if matches!(charset, "ujis" | "eucjpms") {
        let three = "SELECT CONCAT(x'8f', a.n, b.n) AS code FROM charsets.n a, charsets.n b WHERE a.n >= x'80'";
        all.push(three.to_owned());
    }
    if charset == "gb18030" {
        all.extend(FOUR_BYTES.iter().map(|first| {
            format!(
                "SELECT CONCAT(x'{first}', a.n, p.n) AS code FROM charsets.n a, charsets.pairs p \
                 WHERE a.n BETWEEN x'30' AND x'39'"
            )
        }));
    }
    all
}

/// Codes for which the server and we differ, with the server's character and ours.
async fn different(server: &Server, charset: &str) -> Vec<String> {
    let mut conn = server.conn().await;
    let (mut wrong, mut characters) = (Vec::new(), 0);
    for codes in codes(charset) {
        let sql = format!(
            "SELECT code, CONVERT(CONVERT(code USING {charset}) USING utf32) = '?', \
             CONVERT(CONVERT(code USING {charset}) USING utf8mb4) FROM ({codes}) AS codes"
        );
        type Answer = (Vec<u8>, Option<bool>, Option<Vec<u8>>);
        let rows: Vec<Answer> = conn.query(sql).await.unwrap();
        for (code, question, text) in rows {
            let text = text.and_then(|text| String::from_utf8(text).ok());
            // What isn't one character of the set comes back as none, several, a question mark, or U+FFFD.
            let single = |text: &String| text.chars().count() == 1 && text != "\u{fffd}";
            let one = text.filter(|text| single(text) && (question == Some(false) || code == b"?"));
            let ours = decode_bytes(charset, &code).filter(single);
            characters += usize::from(one.is_some());
            if one != ours {
                wrong.push(format!("{charset} {code:02x?}: {one:?} is {ours:?} here"));
            }
        }
    }
    assert!(characters > 6000, "{charset}: {characters}");
    wrong
}

/// Columns `n`: all bytes; all pairs of a byte and a digit that end a code of four bytes.
async fn bytes(server: &Server) {
    let mut conn = server.conn().await;
    conn.query_drop("CREATE DATABASE charsets").await.unwrap();
    conn.query_drop("CREATE TABLE charsets.n (n VARBINARY(1) PRIMARY KEY)").await.unwrap();
    let all: Vec<String> = (0..=255).map(|byte| format!("(x'{byte:02x}')")).collect();
    conn.query_drop(format!("INSERT INTO charsets.n VALUES {}", all.join(", "))).await.unwrap();
    let pairs = "CREATE TABLE charsets.pairs AS SELECT CONCAT(a.n, b.n) AS n FROM charsets.n a, charsets.n b \
                 WHERE a.n BETWEEN x'81' AND x'fe' AND b.n BETWEEN x'30' AND x'39'";
    conn.query_drop(pairs).await.unwrap();
}

async fn compare_multi_byte(server: Server) {
    bytes(&server).await;
    for charset in MULTI_BYTE {
        let known =
            format!("SELECT COUNT(*) FROM information_schema.character_sets WHERE character_set_name = '{charset}'");
        if server.text(&known).await == "0" {
            assert_eq!(charset, "gb18030");
            continue;
        }
        let wrong = different(&server, charset).await;
        assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    }
}

#[tokio::test]
async fn east_asian_character_sets_are_the_servers_own() {
    compare_multi_byte(servers::mysql()).await;
    compare_multi_byte(servers::mariadb()).await;
}
