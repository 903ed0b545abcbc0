//! Checksums and encodings of bytes (manual 14.13).

use base64::Engine;
use sha2::Digest;

use super::{Args, Topic, plain_text, string::to_hex};
use crate::rules::expression::{
    collation::Collation,
    node::{Cx, Node},
    typed::{Evaluated, Type, Val, strength},
};

const LOWER: &[u8; 16] = b"0123456789abcdef";

pub fn build(args: Args<'_>) -> Topic<'_> {
    Ok(match args.name {
        "crc32" => args.call(1, 1, Type::int(true), crc32),
        "md5" => {
            args.call(1, 1, plain_text(), |_, args, cx| digest(args, cx, |bytes| md5::Md5::digest(bytes).to_vec()))
        }
        "sha" | "sha1" => {
            args.call(1, 1, plain_text(), |_, args, cx| digest(args, cx, |bytes| sha1::Sha1::digest(bytes).to_vec()))
        }
        "sha2" => args.call(2, 2, plain_text(), sha2_hex),
        "from_base64" => args.call(1, 1, Type::text(Collation::BINARY, strength::LITERAL), from_base64),
        "to_base64" => args.call(1, 1, plain_text(), to_base64),
        _ => return Err(args),
    })
}

fn crc32<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let bytes = args.first().map_or(Ok(None), |arg| arg.stored(cx))?;
    Ok(bytes.map_or(Val::Null, |bytes| {
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        Val::UInt(crc.sum().into())
    }))
}

fn digest<'a>(args: &'a [Node], cx: &Cx<'a>, hash: fn(&[u8]) -> Vec<u8>) -> Evaluated<'a> {
    let bytes = args.first().map_or(Ok(None), |arg| arg.stored(cx))?;
    Ok(bytes.map_or(Val::Null, |bytes| Val::owned(to_hex(&hash(&bytes), LOWER))))
}

fn sha2_hex<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let bytes = args.first().map_or(Ok(None), |arg| arg.stored(cx))?;
    let (Some(bytes), Some(bits)) = (bytes, super::int_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    let digest = match bits {
        224 => sha2::Sha224::digest(&bytes).to_vec(),
        0 | 256 => sha2::Sha256::digest(&bytes).to_vec(),
        384 => sha2::Sha384::digest(&bytes).to_vec(),
        512 => sha2::Sha512::digest(&bytes).to_vec(),
        _ => return Ok(Val::Null),
    };
    Ok(Val::owned(to_hex(&digest, LOWER)))
}

/// In lines of 76 characters.
fn to_base64<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let bytes = args.first().map_or(Ok(None), |arg| arg.stored(cx))?;
    Ok(bytes.map_or(Val::Null, |bytes| {
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let lines: Vec<&[u8]> = text.as_bytes().chunks(76).collect();
        Val::owned(lines.join(&b'\n'))
    }))
}

/// White space counts nowhere; NULL for what is no whole base64 text.
fn from_base64<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(text) = super::text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let digits: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b' ' | b'\t'..=b'\r')).collect();
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    Ok(lenient.decode(digits).map_or(Val::Null, Val::owned))
}
