//! Payload <-> bytes: the only file that knows the codec (bincode, standard configuration).
//! Payloads only grow by new enum variants at the end, so that nodes of two versions can talk.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are not a payload of the wanted type.
#[derive(Debug, thiserror::Error)]
#[error("malformed payload of {bytes} bytes: {reason}")]
pub struct Malformed {
    bytes: usize,
    reason: String,
}

/// A frame of ractor_cluster holds 16 MiB at most; nothing larger is decoded.
const LIMIT: usize = 16 << 20;

/// What this node itself stored may be larger than a frame (a snapshot of the whole state), but not absurd.
const STORED_LIMIT: usize = 1 << 30;

/// Encodes a payload. In-memory values of our own types always encode.
pub fn encode<T: Serialize>(payload: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(payload, bincode::config::standard()).unwrap_or_default()
}

/// Decodes a payload; trailing bytes and oversized lengths are errors, never a panic.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    decode_within::<T, LIMIT>(bytes)
}

/// Decodes what this node itself stored, which no frame limits.
pub fn decode_stored<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    decode_within::<T, STORED_LIMIT>(bytes)
}

thread_local! {
    /// Whether the fields under `named` are treated as everything else is.
    static POSITIONAL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Decodes what was stored before settings were `named`. They can be read as long as the types had the same fields then.
pub fn decode_positional<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    POSITIONAL.set(true);
    let decoded = decode_stored(bytes);
    POSITIONAL.set(false);
    decoded
}

/// Encodes as it was done before settings were `named`.
#[cfg(test)]
pub fn encode_positional<T: Serialize>(payload: &T) -> Vec<u8> {
    POSITIONAL.set(true);
    let bytes = encode(payload);
    POSITIONAL.set(false);
    bytes
}

fn decode_within<T: DeserializeOwned, const MAX: usize>(bytes: &[u8]) -> Result<T, Malformed> {
    let malformed = |reason: String| Malformed { bytes: bytes.len(), reason };
    let config = bincode::config::standard().with_limit::<MAX>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, config).map_err(|e| malformed(e.to_string()))?;
    if used != bytes.len() {
        return Err(malformed(format!("{} bytes too many", bytes.len() - used)));
    }
    Ok(value)
}

/// For fields whose type grows with the program (settings): within the payload they are text with the names of their
/// fields, so that what an older or newer version wrote is read, too. Fields that are missing take their defaults.
pub mod named {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

    use super::POSITIONAL;

    /// The value as JSON in one text.
    pub fn serialize<T: Serialize, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        if POSITIONAL.get() {
            return value.serialize(to);
        }
        serde_json::to_string(value).map_err(serde::ser::Error::custom)?.serialize(to)
    }

    /// The value of such a text.
    pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        if POSITIONAL.get() {
            return T::deserialize(from);
        }
        // An error of serde_json may name what it read, which can be a password.
        let told = |e: serde_json::Error| format!("settings that are malformed at column {}", e.column());
        serde_json::from_str(&String::deserialize(from)?).map_err(|e| serde::de::Error::custom(told(e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, serde::Deserialize)]
    #[serde(default)]
    struct Inner {
        size: u32,
    }

    impl Default for Inner {
        fn default() -> Self {
            Inner { size: 9 }
        }
    }

    #[derive(Serialize, serde::Deserialize)]
    struct Settings {
        number: u8,
        #[serde(with = "named")]
        inner: Inner,
    }

    #[test]
    fn what_is_encoded_decodes_and_rubbish_does_not() {
        let payload = (7u64, "name".to_owned(), vec![1u8, 2]);
        let bytes = encode(&payload);
        assert_eq!(decode::<(u64, String, Vec<u8>)>(&bytes).ok(), Some(payload));
        assert!(decode::<(u64, String, Vec<u8>)>(&bytes[..3]).is_err());
        // Named fields: what an older version did not write is the default, what a newer one added is passed over.
        let text = |json: &str| encode(&(7u8, json.to_owned()));
        let of = |bytes: &[u8]| decode::<Settings>(bytes).map(|s| s.inner.size);
        assert_eq!(of(&encode(&Settings { number: 7, inner: Inner { size: 3 } })).ok(), Some(3));
        assert_eq!(of(&text("{}")).ok(), Some(9));
        assert_eq!(of(&text("{\"size\":4,\"later\":[1]}")).ok(), Some(4));
        let error = of(&text("{\"size\":\"secret\"}")).unwrap_err().to_string();
        assert!(error.contains("settings") && !error.contains("secret"), "{error}");
        assert_eq!(decode_positional::<Settings>(&encode(&(7u8, 5u32))).unwrap().inner.size, 5);
        assert_eq!(encode_positional(&Settings { number: 7, inner: Inner { size: 5 } }), encode(&(7u8, 5u32)));
        assert_eq!(of(&text("{}")).ok(), Some(9), "only then");
        assert!(decode::<Vec<u64>>(&[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
