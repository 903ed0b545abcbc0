//! Our tables of one-byte character sets against servers, for all 256 bytes.

use dm::schema::ddl::upper_half;

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
