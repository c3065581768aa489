//! The addresses of a decided origin. They are checked once, and exactly these are used.

use std::io;
use std::net::{IpAddr, SocketAddr};

use secure_runtime_capabilities::{Operation, Origin};
use secure_runtime_engine::extension::{OperationError, clipped};
use url::Host;

use super::{Call, address};

/// Refuses an origin if any of the addresses of its host is not public, unless the authority grants that address.
pub(super) fn check(
    granted: &Call,
    origin: &Origin,
    addresses: &[SocketAddr],
    shown: &str,
) -> Result<(), OperationError> {
    for address in addresses {
        if address::is_public(address.ip()) {
            continue;
        }
        let by_address = origin.with_host(address.ip());
        let operation = Operation::net_connect(&by_address);
        if !granted.allows(&operation) {
            return Err(granted.refuse(
                &operation,
                shown,
                "the name leads to an address that is not public, and no grant names that address",
            ));
        }
    }
    Ok(())
}

/// Parses `host:port` as an origin with this scheme. Also returns its text, for errors. `doing` begins a message.
pub(super) fn parse(scheme: &str, text: &str, doing: &str) -> Result<(Origin, String), OperationError> {
    let shown = format!("{scheme}://{text}");
    match Origin::parse(&shown) {
        // Open resources keep the text. Some spellings of an address are very long.
        Ok(origin) => Ok((origin, clipped(&shown).into_owned())),
        Err(error) => Err(OperationError::type_error(format!(
            "{doing} {:?}: {error}",
            clipped(&shown)
        ))),
    }
}

/// Returns the checked addresses of the origin's host. `missing` is the error if a name has none.
pub(super) async fn resolve(
    granted: &Call,
    origin: &Origin,
    shown: &str,
    missing: impl FnOnce() -> OperationError,
) -> Result<Vec<SocketAddr>, OperationError> {
    let port = origin.port();
    let name = match origin.host() {
        // The grant names the address, so the decision on the origin includes the address.
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Domain(name) => name,
    };
    let addresses = lookup(name, port).await.ok_or_else(missing)?;
    check(granted, origin, &addresses, shown)?;
    Ok(addresses)
}

/// Looks up a name with the resolver of the operating system. Returns `None` if it has no address.
pub(super) async fn lookup(name: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((name, port)).await;
    let addresses: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
    (!addresses.is_empty()).then_some(addresses)
}

/// Returns the error of a name without addresses. `doing` begins the message.
pub(super) fn unknown(doing: &str, shown: &str) -> OperationError {
    let message = format!("{doing} {:?}: the host name cannot be resolved", clipped(shown));
    OperationError::system("NotFound", "ENOTFOUND", message)
}

/// Decides the operation of a call again, after it waited. Only a refusal is recorded again.
pub(super) fn again(granted: &Call) -> Result<(), OperationError> {
    if granted.allows(granted.operation()) {
        return Ok(());
    }
    granted.check_again()
}

/// Returns the error of a failed operation on a socket. `doing` begins the message, such as `connect`.
pub(super) fn failed(error: &io::Error, doing: &str, shown: &str) -> OperationError {
    use io::ErrorKind;
    let (class, code, what) = match error.kind() {
        ErrorKind::ConnectionRefused => ("Error", "ECONNREFUSED", "nobody accepts connections there"),
        ErrorKind::ConnectionReset => ("Error", "ECONNRESET", "the other side has closed the connection"),
        ErrorKind::ConnectionAborted => ("Error", "ECONNABORTED", "the connection was broken off"),
        ErrorKind::BrokenPipe | ErrorKind::NotConnected | ErrorKind::WriteZero => {
            ("Error", "EPIPE", "the connection is closed")
        }
        ErrorKind::UnexpectedEof => ("Error", "ECONNRESET", "the connection ended too early"),
        ErrorKind::HostUnreachable => ("Error", "EHOSTUNREACH", "the host cannot be reached"),
        ErrorKind::NetworkUnreachable => ("Error", "ENETUNREACH", "the network cannot be reached"),
        ErrorKind::AddrInUse => ("Error", "EADDRINUSE", "the address is already in use"),
        ErrorKind::AddrNotAvailable => ("Error", "EADDRNOTAVAIL", "this machine does not have the address"),
        ErrorKind::PermissionDenied => ("PermissionDenied", "EACCES", "the operating system refuses it"),
        ErrorKind::TimedOut => ("TimedOut", "ETIMEDOUT", "it took too long"),
        ErrorKind::InvalidData => (
            "InvalidData",
            "EPROTO",
            "the other side does not speak TLS as it must",
        ),
        // `EMSGSIZE` of Linux.
        _ if error.raw_os_error() == Some(90) => ("Error", "EMSGSIZE", "the datagram is too large"),
        _ => ("Error", "EIO", "the operating system reported a failure"),
    };
    OperationError::system(class, code, format!("{doing} {:?}: {what}", clipped(shown)))
}

/// Returns the error of an operation that took longer than the limit `idle`.
pub(super) fn timed_out(doing: &str, shown: &str) -> OperationError {
    failed(&io::Error::from(io::ErrorKind::TimedOut), doing, shown)
}
