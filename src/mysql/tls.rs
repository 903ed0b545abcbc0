//! TLS towards databases: which certificates are trusted and shown.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs::default_provider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use crate::config::Security;

/// The configuration of a connection; `None` when no certificate is configured. Without a CA the server's certificate
/// is not checked, as there is nothing to check it against; with one, its chain and host name are.
pub async fn client_config(security: &Security) -> Result<Option<Arc<ClientConfig>>, String> {
    let ca = pem(&security.ssl_ca_bytes, &security.ssl_ca).await?;
    let cert = pem(&security.ssl_cert_bytes, &security.ssl_cert).await?;
    let key = pem(&security.ssl_key_bytes, &security.ssl_key).await?;
    if ca.is_none() && cert.is_none() && key.is_none() {
        return Ok(None);
    }
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match ca {
        Some(ca) => builder.with_root_certificates(roots(&ca)?),
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider))),
    };
    let config = match (cert, key) {
        (Some(cert), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| format!("ssl-key: {e}"))?;
            builder.with_client_auth_cert(certificates(&cert, "ssl-cert")?, key).map_err(|e| e.to_string())?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err("ssl-cert and ssl-key go together: set both or neither".into()),
    };
    Ok(Some(Arc::new(config)))
}

/// Bytes win over a path.
async fn pem(bytes: &[u8], path: &str) -> Result<Option<Vec<u8>>, String> {
    match (bytes.is_empty(), path.is_empty()) {
        (false, _) => Ok(Some(bytes.to_vec())),
        (true, true) => Ok(None),
        (true, false) => tokio::fs::read(path).await.map(Some).map_err(|e| format!("cannot read {path}: {e}")),
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

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for cert in certificates(pem, "ssl-ca")? {
        store.add(cert).map_err(|e| format!("ssl-ca: {e}"))?;
    }
    Ok(store)
}

/// Takes every certificate; signatures are still checked.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
