//! Connections that are used again. Each belongs to one capability, so a connection that one authority allowed cannot
//! serve another.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use secure_runtime_capabilities::Origin;
use secure_runtime_engine::extension::Reservation;
use url::Host;

/// Maximum number of origins whose connections a capability keeps.
const MOST_ORIGINS: usize = 2;
/// Maximum number of idle connections to one origin.
pub(super) const MOST_IDLE: usize = 2;
/// Time after which an idle connection is closed. Servers commonly close them after 5 seconds to a minute.
const IDLE: Duration = Duration::from_secs(4);

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
    let mut client = Client::builder()
        .tls_backend_preconfigured((**tls).clone())
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
