//! Passwords as they are written, and as they are used. A password may be written
//! - plainly;
//! - encrypted, in DM's form: base64 of IV, `@`, and the AES-256-CFB bytes of the text;
//! - `${NAME}`: what the environment variable of the program that connects holds;
//! - `file:/path`: the first line of a file on the machine that connects.
//!
//! It stays as written in files, replies and the stored state; [`reveal`] is called where a connection logs in.
//! Keys are the process's: a master reads `secret-key-path`, a worker gets them when it joins.

use std::{
    io::Read,
    sync::{PoisonError, RwLock},
};

use aws_lc_rs::{
    cipher::{AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey},
    iv::FixedLength,
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::subtask::Secret;
use crate::error::{Code, DmError, Result};

/// Bytes of a key.
pub const KEY: usize = 32;
const IV: usize = 16;
const SEPARATOR: u8 = b'@';

/// The key of DM before keys could be chosen (v8.0 and older; documented by DM for the upgrade). It protects nothing,
/// but files of such clusters hold passwords under it.
pub const OLD_KEY: [u8; KEY] = [
    0xa5, 0x29, 0xb7, 0x66, 0x59, 0x97, 0xf0, 0x43, 0xa3, 0x0a, 0xc8, 0xfa, 0xdc, 0xb5, 0x1d, 0x6a, 0xa0, 0x32, 0xc2,
    0x26, 0xab, 0x5b, 0x77, 0x50, 0x53, 0x0b, 0x12, 0xb8, 0xc1, 0xa1, 0x6a, 0x48,
];

/// The first encrypts, all decrypt: so a key is replaced by putting the new one before it.
static KEYS: RwLock<Vec<[u8; KEY]>> = RwLock::new(Vec::new());

/// Reads the text of a key file: one key a line, 64 hexadecimal characters each.
pub fn parse_keys(text: &str) -> std::result::Result<Vec<[u8; KEY]>, String> {
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let digits: Option<Vec<u8>> = line.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
        let digits = digits.filter(|digits| digits.len() == 2 * KEY);
        let digits = digits.ok_or("each line of the file must hold 64 hexadecimal characters")?;
        let mut key = [0; KEY];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |high, low| high << 4 | low);
        }
        keys.push(key);
    }
    match keys.is_empty() {
        true => Err("the file holds no key".into()),
        false => Ok(keys),
    }
}

/// Of a file of keys at most so much is read: a thousand keys.
const LONGEST_KEYS: u64 = 64 << 10;

/// Reads a key file.
pub fn read_keys(path: &str) -> std::result::Result<Vec<[u8; KEY]>, String> {
    let text = first_bytes(path, LONGEST_KEYS + 1).map_err(|e| e.to_string())?;
    if text.len() as u64 > LONGEST_KEYS {
        return Err(format!("it is longer than {LONGEST_KEYS} bytes"));
    }
    parse_keys(&text)
}

/// Sets the process's keys.
pub fn use_keys(keys: Vec<[u8; KEY]>) {
    *KEYS.write().unwrap_or_else(PoisonError::into_inner) = keys;
}

/// The same with the bytes that a master tells a worker that joins (none: the cluster has no key).
pub fn use_key_bytes(bytes: &[u8]) {
    use_keys(bytes.chunks_exact(KEY).filter_map(|key| key.try_into().ok()).collect());
}

/// What a worker is told.
pub fn key_bytes() -> Vec<u8> {
    keys().concat()
}

fn keys() -> Vec<[u8; KEY]> {
    KEYS.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Encrypts with the newest key; `None` when there is none.
pub fn encrypt(plaintext: &str) -> Option<Result<String>> {
    keys().first().map(|key| encrypt_with(key, plaintext))
}

/// Encrypts with a key: 11045.
pub fn encrypt_with(key: &[u8; KEY], plaintext: &str) -> Result<String> {
    let failed = |_| DmError::new(Code::EncryptGenCipher).msg("the text can't be encrypted");
    let cipher = UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::cfb128).map_err(failed)?;
    let mut bytes = plaintext.as_bytes().to_vec();
    let context = cipher.encrypt(&mut bytes).map_err(failed)?;
    let DecryptionContext::Iv128(iv) = context else { return Err(DmError::new(Code::EncryptGenIV)) };
    let iv: &[u8; IV] = iv.as_ref();
    Ok(STANDARD.encode([iv.as_slice(), &[SEPARATOR], &bytes].concat()))
}

/// Decrypts with a key; `None` for what is not its ciphertext as far as can be told: CFB has no checksum, so a text
/// that decrypts to anything but readable characters is taken for no ciphertext.
pub fn decrypt_with(key: &[u8; KEY], ciphertext: &str) -> Option<String> {
    let bytes = STANDARD.decode(ciphertext).ok()?;
    let (iv, rest) = bytes.split_at_checked(IV)?;
    let (separator, rest) = rest.split_first()?;
    if *separator != SEPARATOR {
        return None;
    }
    let iv: [u8; IV] = iv.try_into().ok()?;
    let cipher = UnboundCipherKey::new(&AES_256, key).and_then(DecryptingKey::cfb128).ok()?;
    let mut rest = rest.to_vec();
    let plain = cipher.decrypt(&mut rest, DecryptionContext::Iv128(FixedLength::from(iv))).ok()?;
    let text = String::from_utf8(plain.to_vec()).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// Decrypts with the cluster's keys, the old fixed one last.
pub fn decrypt(ciphertext: &str) -> Option<String> {
    keys().iter().chain([&OLD_KEY]).find_map(|key| decrypt_with(key, ciphertext))
}

/// The password that a connection sends. Errors are 20010 and never hold it.
pub fn reveal(secret: &Secret) -> Result<String> {
    let written = secret.0.as_str();
    if let Some(name) = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        return std::env::var(name).map_err(|_| {
            unreadable(format!("the password is to come from the environment variable {name}, which is not set"))
                .workaround("Please set it for every dm-master and dm-worker, and restart them.")
        });
    }
    if let Some(path) = written.strip_prefix("file:") {
        let text = first_bytes(path, LONGEST_FILE).map_err(|e| {
            unreadable(format!("the password is to come from the file {path}: {e}"))
                .workaround("Please put the file on the machine of every dm-master and dm-worker, readable by them.")
        })?;
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    Ok(decrypt(written).unwrap_or_else(|| written.to_owned()))
}

/// Of a password's file at most so much is read.
const LONGEST_FILE: u64 = 4096;

/// A pipe or device could be endless, or never answer.
fn first_bytes(path: &str, most: u64) -> std::io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(message: String) -> DmError {
    DmError::new(Code::ConfigDecryptDBPassword).msg(message)
}

/// The same password for another reader of the same cluster: what was encrypted under any key is encrypted under the
/// newest, and so are plain ones; where there is no key, and for references, it stays as written.
pub fn for_export(secret: &Secret) -> Secret {
    let written = secret.0.as_str();
    if written.is_empty() || written.starts_with("file:") || written.starts_with("${") {
        return secret.clone();
    }
    if keys().first().is_some_and(|newest| decrypt_with(newest, written).is_some()) {
        return secret.clone();
    }
    let plain = decrypt(written).unwrap_or_else(|| written.to_owned());
    match encrypt(&plain) {
        Some(Ok(ciphertext)) => Secret(ciphertext),
        _ => secret.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; KEY] = [1; KEY];
    const TWO: [u8; KEY] = [2; KEY];

    #[test]
    fn what_the_manual_shows_is_read_and_every_ciphertext_differs() {
        assert_eq!(decrypt_with(&OLD_KEY, "MKxn0Qo3m3XOyjCnhEMtsUCm83EhGQDZ/T4=").as_deref(), Some("abc!@#123"));
        let (a, b) = (encrypt_with(&ONE, "abc!@#123").unwrap(), encrypt_with(&ONE, "abc!@#123").unwrap());
        assert_ne!(a, b);
        assert_eq!(decrypt_with(&ONE, &a).as_deref(), Some("abc!@#123"));
        assert_eq!(decrypt_with(&TWO, &a), None);
        let long = "x".repeat(1000);
        assert_eq!(decrypt_with(&ONE, &encrypt_with(&ONE, &long).unwrap()), Some(long));
        for plain in ["", "abc", "123456", "MKxn0Qo3m3", "not base64 at all, and long enough to be one"] {
            assert_eq!(decrypt_with(&ONE, plain), None, "{plain}");
        }
    }

    #[test]
    fn key_files_hold_one_key_a_line() {
        let hex = "01".repeat(32);
        assert_eq!(parse_keys(&format!(" {hex} \n")).unwrap(), [ONE]);
        assert_eq!(parse_keys(&format!("{}\n{hex}\n", "02".repeat(32))).unwrap(), [TWO, ONE]);
        for wrong in ["", "\n", "xyz", &hex[1..], &format!("{hex}0"), &format!("{hex}\nzz")] {
            assert!(parse_keys(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_file_is_a_regular_one_of_64_kib_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let line = format!("{}\n", "01".repeat(32));
        std::fs::write(path("keys"), line.repeat(1008)).unwrap();
        assert_eq!(read_keys(&path("keys")).unwrap().len(), 1008);
        std::fs::write(path("long"), line.repeat(1009)).unwrap();
        let pipe = rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0);
        pipe.unwrap();
        for (wrong, why) in [
            (path("long"), "longer than 65536 bytes"),
            (path("pipe"), "no regular file"),
            ("/dev/zero".to_owned(), "no regular file"),
            (folder.path().to_str().unwrap().to_owned(), "no regular file"),
            (path("none"), "No such file"),
        ] {
            let said = read_keys(&wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }

    #[test]
    fn references_are_followed_and_errors_tell_nothing_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\nsecond line\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(reveal(&Secret(format!("file:{path}"))).unwrap(), "s3cret");
        let home = std::env::var("PATH").unwrap();
        assert_eq!(reveal(&Secret("${PATH}".into())).unwrap(), home);
        for (written, named) in [
            ("file:/nonexistent/x", "/nonexistent/x"),
            ("file:/dev/zero", "no regular file"),
            ("${DM_NO_SUCH}", "DM_NO_SUCH"),
        ] {
            let error = reveal(&Secret(written.into())).unwrap_err().to_string();
            assert!(error.starts_with("[code=20010:") && error.contains(named), "{error}");
        }
        for plain in ["", "s3cret", "$x", "${", "a file:b"] {
            assert_eq!(reveal(&Secret(plain.into())).unwrap(), plain);
        }
    }
}
