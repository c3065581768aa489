//! Connections that are used again. Each belongs to one capability, so a connection that one authority allowed cannot
//! serve another.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use rustls::client::Resumption;
use secure_runtime_capabilities::Origin;
use secure_runtime_engine::extension::Reservation;
use url::Host;

/// Maximum number of origins whose connections a capability keeps.
const MOST_ORIGINS: usize = 2;
/// Maximum number of idle connections to one origin.
pub(super) const MOST_IDLE: usize = 2;
/// Time after which an idle connection is closed. Servers commonly close them after 5 seconds to a minute.
const IDLE: Duration = Duration::from_secs(4);

/// Maximum number of servers whose sessions of TLS a client keeps. It has one origin, with several addresses at most.
const MOST_SESSIONS: usize = 2;

/// The protocols that a server may choose (ALPN), in the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Maximum number of unread bytes of one response with HTTP/2. The memory of a connection includes it.
const STREAM_WINDOW: u32 = 64 << 10;
/// Maximum number of unread bytes of all responses of a connection. Only bytes of open responses are kept.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Maximum size of a frame, and of the headers of a response, in bytes.
const FRAME: u32 = 16 << 10;
const HEADERS: u32 = 16 << 10;

/// The clients of one capability, the one that was used last at the end. Each has connections to one origin.
#[derive(Default)]
pub(crate) struct Connections(RefCell<Vec<Kept>>);

struct Kept {
    origin: Origin,
    addresses: Vec<SocketAddr>,
    client: Client,
    _memory: Reservation,
}

impl Connections {
    /// Returns the client for this origin, whose name was resolved to these addresses, and true if it has served a
    /// request before. If it is new, it is kept if `reserve` finds memory for its idle connections.
    pub(super) fn client(
        &self,
        origin: &Origin,
        mut addresses: Vec<SocketAddr>,
        make: impl FnOnce(&[SocketAddr]) -> Result<Client, reqwest::Error>,
        reserve: impl FnOnce() -> Option<Reservation>,
    ) -> Result<(Client, bool), reqwest::Error> {
        // Name servers give the addresses in any order.
        addresses.sort_unstable();
        let mut kept = self.0.borrow_mut();
        let known = kept
            .iter()
            .position(|kept| kept.origin == *origin && kept.addresses == addresses);
        if let Some(known) = known {
            let used = kept.remove(known);
            let client = used.client.clone();
            kept.push(used);
            return Ok((client, true));
        }
        let client = make(&addresses)?;
        kept.retain(|kept| kept.origin != *origin);
        if kept.len() == MOST_ORIGINS {
            kept.remove(0);
        }
        if let Some(memory) = reserve() {
            kept.push(Kept {
                origin: origin.clone(),
                addresses,
                client: client.clone(),
                _memory: memory,
            });
        }
        Ok((client, false))
    }

    /// Drops the client of an origin, with its connections.
    pub(super) fn forget(&self, origin: &Origin) {
        self.0.borrow_mut().retain(|kept| kept.origin != *origin);
    }
}

/// Creates a client that connects to these addresses only.
pub(super) fn client(
    tls: &Arc<rustls::ClientConfig>,
    origin: &Origin,
    addresses: &[SocketAddr],
    timeout: Duration,
) -> Result<Client, reqwest::Error> {
    let mut tls = (**tls).clone();
    tls.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    // Each client has its own sessions, so none of another capability is continued.
    tls.resumption = Resumption::in_memory_sessions(MOST_SESSIONS);
    let mut client = Client::builder()
        .tls_backend_preconfigured(tls)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_frame_size(FRAME)
        .http2_max_header_list_size(HEADERS)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(timeout)
        .pool_max_idle_per_host(MOST_IDLE)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("secure-runtime/", env!("CARGO_PKG_VERSION")));
    if let Host::Domain(name) = origin.host() {
        client = client.resolve_to_addrs(name, addresses);
        // A URL may spell the same host with a trailing dot, which would not match the pinned name.
        client = client.resolve_to_addrs(&format!("{name}."), addresses);
    }
    client.build()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use rustls::HandshakeKind;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use secure_runtime_http::{
        Body, Client as Peer, Request, Response, ServerLimits, Service, serve, tls_config,
    };

    use tokio::io::AsyncWriteExt;

    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../../../http/tests/suite/tls/cert.pem");
    const KEY: &[u8] = include_bytes!("../../../http/tests/suite/tls/key.pem");

    struct Answers;

    impl Service for Answers {
        async fn answer(&self, request: Request<Body>, _: Peer) -> Response<Body> {
            let mut response = Response::new(Body::from("hello"));
            let size: usize = request.uri().path().trim_start_matches('/').parse().unwrap();
            let value = "x".repeat(1000).parse::<reqwest::header::HeaderValue>().unwrap();
            for _ in 0..size {
                response.headers_mut().append("x-long", value.clone());
            }
            response
        }
    }

    /// Returns the configuration of a host that trusts the certificate.
    fn trusting() -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(CERTIFICATE).unwrap())
            .unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let config = rustls::ClientConfig::builder_with_provider(provider.into());
        let config = config.with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// Answers one request for each of these clients, and returns the kinds of the TLS handshakes.
    async fn handshakes(
        listener: &tokio::net::TcpListener,
        clients: &[(&Client, &str)],
    ) -> Vec<HandshakeKind> {
        let mut config = Arc::unwrap_or_clone(tls_config(CERTIFICATE, KEY).unwrap());
        config.alpn_protocols.clear();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let mut kinds = Vec::new();
        for (client, url) in clients {
            let answer = async {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = acceptor.accept(stream).await.unwrap();
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(response).await.unwrap();
                let kind = stream.get_ref().1.handshake_kind().unwrap();
                // Until the client ends the connection.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                kind
            };
            let (kind, response) = tokio::join!(answer, async {
                client.get(*url).send().await.unwrap().bytes().await
            });
            response.unwrap();
            kinds.push(kind);
        }
        kinds
    }

    /// RUN-146: a client continues its own sessions of TLS, and none of another capability.
    #[test]
    fn sessions_of_tls_belong_to_one_client() {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let url = format!("https://localhost:{}", address.port());
            let origin = Origin::parse(&url).unwrap();
            let host = trusting();
            let make = || client(&host, &origin, &[address], Duration::from_secs(600)).unwrap();
            let (one, other) = (make(), make());
            let kinds = handshakes(&listener, &[(&one, &url), (&one, &url), (&other, &url)]).await;
            assert_eq!(
                kinds,
                [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full]
            );
        });
    }

    /// RUN-171: a server with TLS may choose HTTP/2. The headers of a response have a limit.
    #[test]
    fn servers_may_choose_http2() {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let tls = tls_config(CERTIFICATE, KEY).unwrap();
            let server = tokio::spawn(serve(
                listener,
                Arc::new(Answers),
                Some(tls),
                ServerLimits::default(),
                pending(),
            ));
            let config = trusting();
            let url = format!("https://localhost:{}", address.port());
            let origin = Origin::parse(&url).unwrap();
            let client = client(&config, &origin, &[address], Duration::from_secs(600)).unwrap();
            let response = client.get(format!("{url}/1")).send().await.unwrap();
            assert_eq!(response.version(), reqwest::Version::HTTP_2);
            assert_eq!(response.text().await.unwrap(), "hello");
            assert!(client.get(format!("{url}/40")).send().await.is_err());
            server.abort();
        });
    }
}
