//! The TLS configuration of a server.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The reason why certificates or their key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The text has no certificates.
    #[error("the certificates: {0}; write them as PEM, that of the server first")]
    Certificates(#[source] pem::Error),
    /// The text has no certificates.
    #[error("there is no certificate; write them as PEM, that of the server first")]
    NoCertificate,
    /// The text has no key.
    #[error("the private key: {0}; write it as PEM")]
    Key(#[source] pem::Error),
    /// The key does not belong to the certificate, or has a kind that is not supported.
    #[error("the certificate and the private key do not fit: {0}; use the key of the first certificate")]
    Unusable(#[source] rustls::Error),
}

/// Returns the configuration of a server with these certificates and their private key, both as PEM. It offers HTTP/2
/// and HTTP/1.1 to clients.
///
/// # Errors
/// [`TlsError`]
pub fn tls_config(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(TlsError::Certificates)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
