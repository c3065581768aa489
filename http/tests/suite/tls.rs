//! Servers with TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use secure_runtime_http::{Response, ServerLimits};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::limits::endless;
use crate::server::{connected, echo, exchange, rest, soon, statuses, with_tls};

/// A certificate for `localhost` that signs itself, until 2120.
const CERTIFICATE: &[u8] = include_bytes!("tls/cert.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

/// Returns the configuration of a server with these ALPN protocols.
pub(crate) fn server(protocols: &[&str]) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let builder = ServerConfig::builder_with_provider(default_provider().into());
    let builder = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.into()
}

async fn client(stream: TcpStream, protocols: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CERTIFICATE).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream))
        .await
        .unwrap()
}

/// SERVE-32: both protocols over TLS. The URL has the scheme of the connection.
#[tokio::test]
async fn requests_over_tls() {
    let started = with_tls(ServerLimits::default(), Some(server(&["h2", "http/1.1"])), echo).await;
    let mut stream = client(connected(started.address, "").await, &["http/1.1"]).await;
    let request = "GET /a HTTP/1.1\r\nHost: s:443\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.ends_with("\r\n\r\nGET https://s/a []\n"));
    let refused = "GET /a HTTP/1.1\nHost: s\r\n\r\n";
    let mut stream = client(connected(started.address, "").await, &[]).await;
    stream.write_all(refused.as_bytes()).await.unwrap();
    assert_eq!(statuses(&rest(&mut stream).await), [400]);
    let stream = client(connected(started.address, "").await, &["h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let text = crate::http2::get(stream, "https://s/b").await;
    assert_eq!(text, "GET https://s/b []\n");
    // Plain HTTP is not served.
    assert_eq!(statuses(&exchange(started.address, request).await), [0_u16; 0]);
}

/// SERVE-27: the time for a handshake is limited.
#[tokio::test]
async fn handshakes_have_a_longest_time() {
    let limits = ServerLimits {
        head: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    let started = with_tls(limits, Some(server(&[])), echo).await;
    for beginning in ["", "\x16\x03\x01\x02\0\x01"] {
        let mut stream = connected(started.address, beginning).await;
        rest(&mut stream).await;
    }
}

/// SERVE-29: the buffer of TLS does not hide a client that does not read.
#[tokio::test]
async fn responses_over_tls_have_a_slowest_pace() {
    let limits = ServerLimits {
        patience: Duration::from_millis(500),
        slowest: 1_000_000,
        ..ServerLimits::default()
    };
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let started = with_tls(limits, Some(server(&[])), move |_| {
        let dropped = dropped.clone();
        async move { Response::new(endless(dropped)) }
    })
    .await;
    let mut stream = client(connected(started.address, "").await, &[]).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: s\r\n\r\n")
        .await
        .unwrap();
    soon(drops.recv()).await.unwrap();
}
