//! TLS between nodes and tools: both sides show a certificate of the same authority.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::certificate;
use crate::config::Security;

/// True when any certificate is configured.
pub fn wanted(security: &Security) -> bool {
    let given = |path: &str, bytes: &[u8]| !path.is_empty() || !bytes.is_empty();
    given(&security.ssl_ca, &security.ssl_ca_bytes)
        || given(&security.ssl_cert, &security.ssl_cert_bytes)
        || given(&security.ssl_key, &security.ssl_key_bytes)
}

/// What a listener needs for its next connection; `None` without TLS. With a CA every client must show a certificate
/// of it.
pub async fn server_config(security: &Security) -> Result<Option<Arc<ServerConfig>>, String> {
    if !wanted(security) {
        return Ok(None);
    }
    let ca = pem(&security.ssl_ca_bytes, &security.ssl_ca, "ssl-ca").await?;
    let cert = pem(&security.ssl_cert_bytes, &security.ssl_cert, "ssl-cert").await?;
    let key = pem(&security.ssl_key_bytes, &security.ssl_key, "ssl-key").await?;
    let (Some(cert), Some(key)) = (cert, key) else {
        return Err("a port with TLS needs ssl-cert and ssl-key".into());
    };
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(&ca, "ssl-ca")? {
                roots.add(authority).map_err(|e| format!("ssl-ca: {e}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|e| format!("ssl-ca: {e}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| format!("ssl-key: {e}"))?;
    let mut config = builder
        .with_single_cert(certificates(&cert, "ssl-cert")?, key)
        .map_err(|e| format!("ssl-cert and ssl-key can't be used: {e}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

/// Whether a peer may speak: one of the names of its certificate is in the list. An empty list takes all.
pub fn may_speak(allowed: &[String], shown: Option<&[CertificateDer<'_>]>) -> Result<(), String> {
    if allowed.is_empty() {
        return Ok(());
    }
    let first = shown.and_then(<[_]>::first).ok_or("no certificate was shown")?;
    let names = certificate::common_names(first).ok_or("the certificate's subject can't be read")?;
    if names.iter().any(|name| allowed.contains(name)) {
        return Ok(());
    }
    Err(format!("the certificate's common name {names:?} is not one of cert-allowed-cn {allowed:?}"))
}

/// Bytes win over a path.
async fn pem(bytes: &[u8], path: &str, what: &str) -> Result<Option<Vec<u8>>, String> {
    match (bytes.is_empty(), path.is_empty()) {
        (false, _) => Ok(Some(bytes.to_vec())),
        (true, true) => Ok(None),
        (true, false) => tokio::fs::read(path).await.map(Some).map_err(|e| format!("{what} {path}: {e}")),
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{what} holds no certificate")),
        Err(e) => Err(format!("{what}: {e}")),
    }
}
