//! `encrypt`: a password as configuration files may hold it. `decrypt` does not exist: who may ask for a ciphertext
//! must not learn passwords.

use super::reply::Refusal;
use crate::{
    config::secret,
    dmctl::{
        cobra::{Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    pb,
};

/// The command line.
pub const SPEC: Spec = Spec::new("encrypt <plain-text>", "Encrypts a text with the cluster's key");

/// What a cluster without a key answers.
const NO_KEY: &str = "secret key not initialized. To enable encryption:
1. Create a file containing a 32-byte (64-character) hexadecimal AES-256 secret key.
2. Set 'secret-key-path' in DM-master's configuration file to point to this key file.
3. Restart DM-master to apply the configuration.
For details, see: https://docs.pingcap.com/tidb/stable/dm-customized-secret-key";

/// The dmctl side: prints the ciphertext and nothing else. `-` reads the text from stdin, so that it is in no list of
/// processes.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let [plaintext] = matches.args.as_slice() else { return Err(Failure::Usage(String::new())) };
    let request = pb::EncryptRequest { plaintext: typed(plaintext)? };
    let reply = session.rpc(request, |mut c, r| async move { c.encrypt(r).await }).await?;
    if !reply.result {
        return Err(Failure::Text(reply.msg));
    }
    session.line(&reply.ciphertext);
    Ok(())
}

fn typed(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| Failure::Text(format!("can't read stdin: {e}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// `--encrypt` and `--decrypt`: without a master, with the key of a file, or with the fixed one of old versions.
pub fn offline(session: &mut Session, matches: &Matches) -> Outcome {
    let keys = match matches.one("secret-key-path") {
        "" => vec![secret::OLD_KEY],
        path => secret::parse_keys(&super::input::read_file(path)?)
            .map_err(|why| Failure::Text(format!("{path} can't be used as a key's file: {why}")))?,
    };
    let text = match (matches.given("encrypt"), keys.first()) {
        (true, Some(key)) => secret::encrypt_with(key, &typed(matches.one("encrypt"))?)?,
        _ => {
            let ciphertext = typed(matches.one("decrypt"))?;
            let plain = keys.iter().find_map(|key| secret::decrypt_with(key, &ciphertext));
            plain.ok_or_else(|| {
                Failure::Text(
                    "this is no ciphertext under the key; --secret-key-path names the file of the cluster's key".into(),
                )
            })?
        }
    };
    session.line(&text);
    Ok(())
}

/// The master's side.
pub fn apply(request: &pb::EncryptRequest) -> pb::EncryptResponse {
    match secret::encrypt(&request.plaintext) {
        Some(Ok(ciphertext)) => pb::EncryptResponse { result: true, msg: String::new(), ciphertext },
        Some(Err(error)) => pb::EncryptResponse::failed(&error),
        None => pb::EncryptResponse::refused(NO_KEY.to_owned()),
    }
}
