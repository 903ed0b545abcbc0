//! Connecting and logging in, for replication and for what else needs the bytes as they come.

use std::{net::SocketAddr, time::Duration};

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use bytes::Bytes;
use mysql_common::scramble::{
    create_response_for_ed25519, create_response_for_parsec, scramble_native, scramble_sha256,
};
use rustls::pki_types::{ServerName, SubjectPublicKeyInfoDer, pem::PemObject};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    cursor::{Cursor, Malformed, Parsed},
    wire::{PacketStream, Wire, WireError, server_error},
};
use crate::{
    config::{DbConfig, Secret, secret},
    mysql::{connect, tls},
};

const LONG_PASSWORD: u32 = 1;
const LONG_FLAG: u32 = 4;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const TRANSACTIONS: u32 = 1 << 13;
const SECURE_CONNECTION: u32 = 1 << 15;
/// Several statements in a query, and all of their answers.
const MULTI_STATEMENTS: u32 = 1 << 16;
const MULTI_RESULTS: u32 = 1 << 17;
const PLUGIN_AUTH: u32 = 1 << 19;
const PLUGIN_AUTH_LENENC: u32 = 1 << 21;

/// utf8mb4_general_ci, which every server knows.
const UTF8MB4: u8 = 45;

const LARGEST_PACKET: u32 = 1 << 30;

/// Of a parsec login, as the power of two above 1024; servers say 0 to 3.
const MOST_ROUNDS: u8 = 10;

impl From<Malformed> for WireError {
    fn from(Malformed(what): Malformed) -> Self {
        WireError::Protocol(format!("malformed packet: {what}"))
    }
}

/// The server's first words.
struct Greeting {
    capabilities: u32,
    nonce: Vec<u8>,
    plugin: String,
}

impl Greeting {
    fn parse(packet: &Bytes) -> Wire<Greeting> {
        if packet.first() == Some(&0xff) {
            return Err(server_error(packet));
        }
        let cursor = &mut Cursor::new(packet);
        if cursor.u8()? != 10 {
            return Err(WireError::Protocol("the server speaks another protocol than MySQL's version 10".into()));
        }
        cursor.until_zero()?;
        cursor.u32()?;
        let mut nonce = cursor.slice(8)?.to_vec();
        cursor.u8()?;
        let low = cursor.u16()?;
        cursor.slice(3)?;
        let capabilities = u32::from(low) | u32::from(cursor.u16()?) << 16;
        let nonce_len = usize::from(cursor.u8()?);
        cursor.slice(10)?;
        nonce.extend_from_slice(cursor.slice(nonce_len.saturating_sub(8).max(13).min(cursor.left()))?);
        nonce.truncate(20);
        let name = cursor.rest();
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        Ok(Greeting { capabilities, nonce, plugin: String::from_utf8_lossy(name).into_owned() })
    }
}

/// Opens a connection to the first address that takes one, and logs in.
pub(in crate::mysql) async fn login(cfg: &DbConfig, addresses: &[SocketAddr], limit: Duration) -> Wire<PacketStream> {
    // Here, so that whoever logs in sends what the written form stands for.
    let password = secret::reveal(&cfg.password).map_err(|e| WireError::Protocol(e.message().to_owned()))?;
    let cfg = &DbConfig { password: Secret(password), ..cfg.clone() };
    let socket = timeout(limit, TcpStream::connect(addresses))
        .await
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    socket.set_nodelay(true)?;
    let mut stream = PacketStream::new(Box::new(socket));
    let greeting = Greeting::parse(&stream.read(limit).await?)?;
    let mut capabilities = LONG_PASSWORD
        | LONG_FLAG
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | MULTI_STATEMENTS
        | MULTI_RESULTS
        | PLUGIN_AUTH
        | PLUGIN_AUTH_LENENC;
    capabilities &= greeting.capabilities | LONG_PASSWORD;
    // TiDB lacks PLUGIN_AUTH_LENENC: then one byte tells a proof's length, as it does here for every plugin's either way.
    if greeting.capabilities & PLUGIN_AUTH == 0 || greeting.capabilities & SECURE_CONNECTION == 0 {
        return Err(WireError::Protocol("the server is older than MySQL 5.6 and MariaDB 10.0".into()));
    }
    let config = match &cfg.security {
        Some(security) => tls::client_config(security).await.map_err(WireError::Tls)?,
        None => None,
    };
    let secure = config.is_some();
    if let Some(config) = config {
        capabilities |= SSL;
        stream = start_tls(cfg, stream, &greeting, capabilities, config, limit).await?;
    }
    let mut answer = head(capabilities);
    answer.extend_from_slice(cfg.user.as_bytes());
    answer.push(0);
    let proof = first_proof(&greeting.plugin, cfg, &greeting.nonce);
    answer.push(proof.len() as u8);
    answer.extend_from_slice(&proof);
    answer.extend_from_slice(greeting.plugin.as_bytes());
    answer.push(0);
    stream.write(&answer).await?;
    authenticate(cfg, &mut stream, greeting, secure, limit).await?;
    Ok(stream)
}

/// The part that the TLS request and the login have in common.
fn head(capabilities: u32) -> Vec<u8> {
    let mut out = capabilities.to_le_bytes().to_vec();
    out.extend_from_slice(&LARGEST_PACKET.to_le_bytes());
    out.push(UTF8MB4);
    out.resize(out.len() + 23, 0);
    out
}

async fn start_tls(
    cfg: &DbConfig,
    mut stream: PacketStream,
    greeting: &Greeting,
    capabilities: u32,
    config: std::sync::Arc<rustls::ClientConfig>,
    limit: Duration,
) -> Wire<PacketStream> {
    if greeting.capabilities & SSL == 0 {
        return Err(WireError::Tls("TLS is configured, but the server does not offer it".into()));
    }
    stream.write(&head(capabilities)).await?;
    let name = ServerName::try_from(cfg.host.clone()).map_err(|e| WireError::Tls(e.to_string()))?;
    let sequence = stream.sequence();
    let connecting = TlsConnector::from(config).connect(name, stream.into_socket());
    let secured = timeout(limit, connecting)
        .await
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
        .map_err(|e| WireError::Tls(e.to_string()))?;
    Ok(PacketStream::new(Box::new(secured)).with_sequence(sequence))
}

/// The proof sent without being asked; for a plugin that needs a dialogue, nothing.
fn first_proof(plugin: &str, cfg: &DbConfig, nonce: &[u8]) -> Vec<u8> {
    let password = cfg.password.0.as_bytes();
    match plugin {
        "mysql_native_password" => scramble_native(nonce, password).map(|p| p.to_vec()).unwrap_or_default(),
        "caching_sha2_password" => scramble_sha256(nonce, password).map(|p| p.to_vec()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Answers the server until it says OK or an error.
async fn authenticate(
    cfg: &DbConfig,
    stream: &mut PacketStream,
    greeting: Greeting,
    secure: bool,
    limit: Duration,
) -> Wire<()> {
    let Greeting { mut nonce, mut plugin, .. } = greeting;
    // More rounds than any plugin needs: a server must not hold us here.
    for _ in 0..8 {
        let packet = stream.read(limit).await?;
        match packet.first() {
            Some(0) => return Ok(()),
            Some(0xff) => return Err(server_error(&packet)),
            Some(0xfe) => {
                (plugin, nonce) = switch(&packet)?;
                stream.write(&switched_proof(&plugin, cfg, &nonce, secure)?).await?;
            }
            // The first servers with this plugin left out the byte 1 before what a plugin says.
            _ if plugin == "parsec" => stream.write(&parsec_proof(cfg, &nonce, &packet)?).await?,
            Some(1) => match (plugin.as_str(), packet.get(1)) {
                ("caching_sha2_password", Some(3)) => {}
                ("caching_sha2_password", Some(4)) if secure => stream.write(&clear_password(cfg)).await?,
                ("caching_sha2_password", Some(4)) => stream.write(&[2]).await?,
                (_, Some(b'-')) => stream.write(&sealed_password(cfg, &nonce, &packet[1..])?).await?,
                _ => return Err(WireError::Protocol("the server asks for an unknown proof".into())),
            },
            _ => return Err(WireError::Protocol("malformed packet: login".into())),
        }
    }
    Err(WireError::Protocol("the server does not come to an end with the login".into()))
}

/// The proof for the plugin that the server switched to.
fn switched_proof(plugin: &str, cfg: &DbConfig, nonce: &[u8], secure: bool) -> Wire<Vec<u8>> {
    Ok(match plugin {
        "mysql_native_password" | "caching_sha2_password" => first_proof(plugin, cfg, nonce),
        "client_ed25519" => create_response_for_ed25519(cfg.password.0.as_bytes(), nonce).to_vec(),
        // The server has a salt to tell first.
        "parsec" => Vec::new(),
        "mysql_clear_password" | "sha256_password" if secure => clear_password(cfg),
        "sha256_password" if cfg.password.0.is_empty() => vec![0],
        "sha256_password" => vec![1],
        _ => return Err(WireError::Protocol(connect::unknown_login(plugin))),
    })
}

/// MariaDB's parsec: `P`, the exponent of the rounds (1024 << n), then the user's salt. The answer is a nonce of ours and
/// the signature over both nonces.
fn parsec_proof(cfg: &DbConfig, nonce: &[u8], packet: &Bytes) -> Wire<Vec<u8>> {
    let said = packet.strip_prefix(&[1]).unwrap_or(packet);
    let (Some((&[b'P', exponent], salt)), Some(nonce)) = (said.split_first_chunk::<2>(), nonce.first_chunk::<32>())
    else {
        return Err(WireError::Protocol("malformed packet: login".into()));
    };
    if exponent > MOST_ROUNDS {
        return Err(WireError::Protocol("the server asks for a proof that takes too long".into()));
    }
    Ok(create_response_for_parsec(cfg.password.0.as_bytes(), nonce, 1024 << exponent, salt).to_vec())
}

/// The plugin and nonce the server wants instead.
fn switch(packet: &Bytes) -> Wire<(String, Vec<u8>)> {
    let parse = || -> Parsed<(String, Vec<u8>)> {
        let cursor = &mut Cursor::new(packet);
        cursor.u8()?;
        let plugin = String::from_utf8_lossy(cursor.until_zero()?).into_owned();
        let mut nonce = cursor.rest().to_vec();
        nonce.truncate(if plugin.starts_with("mysql_") || plugin.contains("sha") { 20 } else { 32 });
        Ok((plugin, nonce))
    };
    Ok(parse()?)
}

fn clear_password(cfg: &DbConfig) -> Vec<u8> {
    let mut password = cfg.password.0.clone().into_bytes();
    password.push(0);
    password
}

/// The password under the server's RSA key, mixed with the nonce first.
fn sealed_password(cfg: &DbConfig, nonce: &[u8], pem: &[u8]) -> Wire<Vec<u8>> {
    let refused = |_| WireError::Protocol("the server's RSA key can't be used".into());
    if nonce.is_empty() {
        return Err(WireError::Protocol("malformed packet: login".into()));
    }
    let mut mixed = clear_password(cfg);
    mixed.iter_mut().zip(nonce.iter().cycle()).for_each(|(p, n)| *p ^= n);
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
        .map_err(|_| WireError::Protocol("the server's RSA key can't be read".into()))?;
    let key = PublicEncryptingKey::from_der(&der)
        .map_err(|_| WireError::Protocol("the server's RSA key can't be read".into()))?;
    let key = OaepPublicEncryptingKey::new(key).map_err(refused)?;
    let mut out = vec![0; key.ciphertext_size()];
    let length = key.encrypt(&OAEP_SHA1_MGF1SHA1, &mixed, &mut out, None).map_err(refused)?.len();
    out.truncate(length);
    Ok(out)
}
