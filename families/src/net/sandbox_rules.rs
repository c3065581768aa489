//! The rules of the OS sandbox for connections, listeners, datagrams and lookups.

use secure_runtime_capabilities::{
    ActionName, Authority, FamilyName, ListenEndpoint, Origin, Pattern, Transport,
};
use secure_runtime_engine::extension::SandboxRule;

/// The scheme of datagrams.
const UDP: &str = "udp";

/// Returns the rules for these rights.
pub(super) fn of(authority: &Authority) -> Vec<SandboxRule> {
    let rights = |action| authority.effective(FamilyName::NET, action);
    let connect = rights(ActionName::CONNECT).filter_map(connect);
    let listen = rights(ActionName::LISTEN).filter_map(listen);
    let lookups = rights(ActionName::RESOLVE).map(|_| SandboxRule::Lookups);
    connect.chain(listen).chain(lookups).collect()
}

fn connect(pattern: &Pattern) -> Option<SandboxRule> {
    let (scheme, ports) = match pattern {
        Pattern::Endpoint(endpoint) => (endpoint.scheme(), endpoint.first()..=endpoint.last()),
        Pattern::Exact(origin) => {
            let origin = Origin::parse(origin).ok()?;
            (origin.scheme(), origin.port()..=origin.port())
        }
        // Rights to connect do not have this kind of pattern.
        Pattern::Affix { .. } => return None,
    };
    Some(match scheme {
        UDP => SandboxRule::Datagrams,
        _ => SandboxRule::Connect(ports),
    })
}

fn listen(pattern: &Pattern) -> Option<SandboxRule> {
    let (transport, port) = match pattern {
        Pattern::Exact(text) => {
            let endpoint = ListenEndpoint::parse(text).ok()?;
            (endpoint.transport(), endpoint.address().address().port())
        }
        Pattern::Affix { prefix, suffix } => {
            let transport = match prefix.as_str() {
                "udp://" => Transport::Udp,
                _ => Transport::Tcp,
            };
            (transport, suffix.rsplit_once(':')?.1.parse().ok()?)
        }
        // Rights to listen do not have this kind of pattern.
        Pattern::Endpoint(_) => return None,
    };
    Some(match transport {
        Transport::Tcp => SandboxRule::Listen(port),
        Transport::Udp => SandboxRule::Datagrams,
    })
}
