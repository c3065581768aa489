//! TLS of connections that the guest opens. The host's configuration decides which servers are accepted.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use secure_runtime_capabilities::Origin;
use secure_runtime_engine::extension::{OperationError, Value, clipped};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::destination::failed;

/// Maximum size of the certificates of authorities that a guest names, as PEM, in bytes.
const MOST_AUTHORITIES: usize = 256 << 10;
/// Maximum number of protocols that a guest offers.
const MOST_PROTOCOLS: usize = 16;

/// Returns the host's configuration for a socket, with these protocols.
///
/// A session of another capability is not continued: its secrets belong to that capability.
pub(super) fn of_host(host: &ClientConfig, protocols: Vec<Vec<u8>>) -> ClientConfig {
    let mut config = host.clone();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols;
    config
}

/// Returns the configuration of one connection, and the memory of its authorities in bytes. `authorities` are texts
/// with certificates as PEM. If there are some, only they are trusted. `protocols` are offered by ALPN (RFC 7301).
pub(super) fn configuration(
    host: &ClientConfig,
    authorities: &Value,
    protocols: &Value,
) -> Result<(Arc<ClientConfig>, usize), OperationError> {
    let authorities = texts(authorities)?;
    let size = authorities.iter().map(|text| text.len()).sum();
    let own = if authorities.is_empty() {
        None
    } else {
        let builder = ClientConfig::builder_with_provider(host.crypto_provider().clone());
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| OperationError::type_error(format!("connectTls: {error}")))?;
        let builder = builder.with_root_certificates(roots(&authorities, size)?);
        Some(builder.with_no_client_auth())
    };
    let protocols: Vec<Vec<u8>> = texts(protocols)?
        .into_iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    let fits = |protocol: &Vec<u8>| (1..=255).contains(&protocol.len());
    if protocols.len() > MOST_PROTOCOLS || !protocols.iter().all(fits) {
        return Err(OperationError::type_error(format!(
            "connectTls: alpnProtocols has at most {MOST_PROTOCOLS} names of 1 to 255 bytes"
        )));
    }
    let config = of_host(own.as_ref().unwrap_or(host), protocols);
    Ok((Arc::new(config), size))
}

fn texts(list: &Value) -> Result<Vec<&str>, OperationError> {
    let malformed = || OperationError::type_error("connectTls: caCerts and alpnProtocols are lists of texts");
    match list {
        Value::Null => Ok(Vec::new()),
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Value::Text(text) => Ok(text.as_str()),
                _ => Err(malformed()),
            })
            .collect(),
        _ => Err(malformed()),
    }
}

fn roots(authorities: &[&str], size: usize) -> Result<RootCertStore, OperationError> {
    if size > MOST_AUTHORITIES {
        let message = format!("connectTls: caCerts have {size} bytes; the limit is {MOST_AUTHORITIES}");
        return Err(OperationError::type_error(message));
    }
    let unusable = |why: &dyn std::fmt::Display| {
        OperationError::type_error(format!("connectTls: caCerts: {why}; write certificates as PEM"))
    };
    let mut roots = RootCertStore::empty();
    for text in authorities {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let added = roots.add(certificate.map_err(|error| unusable(&error))?);
            added.map_err(|error| unusable(&error))?;
        }
        if roots.len() == before {
            return Err(unusable(&"a text has no certificate"));
        }
    }
    Ok(roots)
}

/// Begins TLS on a connection to the origin. The name of the origin must be that of the server's certificate. `doing`
/// begins the message of an error.
pub(super) async fn begin(
    config: Arc<ClientConfig>,
    origin: &Origin,
    stream: TcpStream,
    doing: &str,
    shown: &str,
) -> Result<TlsStream<TcpStream>, OperationError> {
    let name = match origin.host() {
        Host::Ipv4(address) => ServerName::from(std::net::IpAddr::V4(*address)),
        Host::Ipv6(address) => ServerName::from(std::net::IpAddr::V6(*address)),
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| {
            let message = format!(
                "{doing} {:?}: a certificate cannot have this name",
                clipped(shown)
            );
            OperationError::type_error(message)
        })?,
    };
    let begun = TlsConnector::from(config).connect(name, stream).await;
    begun.map_err(|error| unbegun(&error, doing, shown))
}

fn unbegun(error: &io::Error, doing: &str, shown: &str) -> OperationError {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(why)) = cause {
        let message = format!(
            "{doing} {:?}: the server's certificate is not accepted: {why}",
            clipped(shown)
        );
        return OperationError::system("Error", "CERT_INVALID", message);
    }
    failed(error, doing, shown)
}
