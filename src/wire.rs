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

fn decode_within<T: DeserializeOwned, const MAX: usize>(bytes: &[u8]) -> Result<T, Malformed> {
    let malformed = |reason: String| Malformed { bytes: bytes.len(), reason };
    let config = bincode::config::standard().with_limit::<MAX>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, config).map_err(|e| malformed(e.to_string()))?;
    if used != bytes.len() {
        return Err(malformed(format!("{} bytes too many", bytes.len() - used)));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_and_rubbish_does_not() {
        let payload = (7u64, "name".to_owned(), vec![1u8, 2]);
        let bytes = encode(&payload);
        assert_eq!(decode::<(u64, String, Vec<u8>)>(&bytes).ok(), Some(payload));
        assert!(decode::<(u64, String, Vec<u8>)>(&bytes[..3]).is_err());
        assert!(decode::<Vec<u64>>(&[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
