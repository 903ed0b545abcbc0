//! The common name of a certificate: the one thing of X.509 that `cert-allowed-cn` needs and rustls does not tell.

/// DER tags.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const VERSION: u8 = 0xa0;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The subject's common names; `None` when the bytes are no certificate. The last one is the most specific.
pub fn common_names(der: &[u8]) -> Option<Vec<String>> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (body, _) = take(certificate, SEQUENCE)?;
    let mut rest = body;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    // Serial number, signature, issuer, validity.
    for _ in 0..4 {
        rest = skip(rest)?;
    }
    let (mut subject, _) = take(rest, SEQUENCE)?;
    let mut names = Vec::new();
    while !subject.is_empty() {
        let (mut set, after) = take(subject, SET)?;
        subject = after;
        while !set.is_empty() {
            let (attribute, after) = take(set, SEQUENCE)?;
            set = after;
            let (kind, value) = take(attribute, OID)?;
            let (_, text, _) = element(value)?;
            if kind == COMMON_NAME {
                names.push(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    Some(names)
}

/// Tag, contents and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((*tag, contents, after))
}

fn take(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, contents, after) = element(bytes)?;
    (tag == wanted).then_some((contents, after))
}

fn skip(bytes: &[u8]) -> Option<&[u8]> {
    element(bytes).map(|(_, _, after)| after)
}
