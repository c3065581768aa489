//! Datagrams. A socket receives from anyone, and each datagram that it sends is decided on its destination.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use secure_runtime_capabilities::{ActionName, Operation};
use secure_runtime_engine::extension::{
    Arguments, CountedBytes, Methods, OperationError, Output, Reservation, Value, clipped,
};
use tokio::net::UdpSocket;

use super::destination::{self, again, failed};
use super::listen::{bound_by, decided};
use super::{Call, Net, tcp};
use crate::closing::Closing;

/// Memory of a socket, in bytes.
const SOCKET: usize = 16 << 10;
/// Maximum size of a datagram, in bytes. The length of UDP has 16 bits.
const DATAGRAM: usize = 1 << 16;

/// A socket in the table of resources.
type Datagrams = Closing<Bound>;

struct Bound {
    socket: UdpSocket,
    _memory: Reservation,
}

fn listen(granted: Call, _: Arguments) -> Result<Output, OperationError> {
    let failed = |error: std::io::Error| failed(&error, "listenDatagram", granted.shown());
    let permit = granted.permit_open()?;
    let memory = granted.reserve(SOCKET, "listenDatagram")?;
    let socket = std::net::UdpSocket::bind(decided(&granted)?).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let socket = UdpSocket::from_std(socket).map_err(failed)?;
    let address = tcp::address(socket.local_addr().map_err(failed)?);
    let bound = Bound {
        socket,
        _memory: memory,
    };
    Ok(granted.open(&[ActionName::LISTEN], Closing::new(bound), permit, address))
}

/// Waits for the next datagram. Memory is reserved when there is one.
async fn receive(granted: Call, datagrams: Rc<Datagrams>, _: Arguments) -> Result<Output, OperationError> {
    let bound = datagrams.used();
    drop(datagrams);
    let shown = granted.shown();
    loop {
        let ready = bound.wait(shown, bound.socket.readable()).await?;
        ready.map_err(|error| failed(&error, "receive", shown))?;
        let held = granted.reserve_result(DATAGRAM, "receive").await?;
        again(&granted)?;
        let mut bytes = vec![0; DATAGRAM];
        match bound.socket.try_recv_from(&mut bytes) {
            Ok((length, from)) => {
                granted.count(CountedBytes::Fetched, length)?;
                bytes.truncate(length);
                let value = Value::List(vec![Value::Bytes(bytes), tcp::address(from)]);
                return Ok(Output::reserved(value, held));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // The error of an earlier datagram: nobody received it.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(failed(&error, "receive", shown)),
        }
    }
}

/// Sends one datagram. Its destination is a decision of its own.
async fn send(
    granted: Call,
    datagrams: Rc<Datagrams>,
    mut arguments: Arguments,
) -> Result<Output, OperationError> {
    let data = arguments.take_bytes(0)?;
    let (origin, shown) = destination::parse("udp", arguments.text(1)?, "send")?;
    let operation = Operation::net_connect(&origin);
    granted.check(&operation, &shown)?;
    let bound = datagrams.used();
    drop(datagrams);
    let idle = granted.isolate()?.program().idle;
    let resolved = destination::resolve(&granted, &origin, &shown, || destination::unknown("send", &shown));
    let resolved = tokio::time::timeout(idle, resolved);
    let resolved = bound.wait(granted.shown(), resolved).await?;
    let addresses = resolved.map_err(|_| destination::timed_out("send", &shown))??;
    let own = bound.socket.local_addr();
    let own = own.map_err(|error| failed(&error, "send", &shown))?;
    let to = addresses
        .into_iter()
        .find_map(|address| reached_from(own, address));
    let Some(to) = to else {
        let message = format!(
            "send {:?}: the socket is bound to an address of another version of IP",
            clipped(&shown)
        );
        return Err(OperationError::system("Error", "EAFNOSUPPORT", message));
    };
    loop {
        // Both rights may have ended meanwhile.
        again(&granted)?;
        if !granted.allows(&operation) {
            granted.check(&operation, &shown)?;
        }
        match bound.socket.try_send_to(&data, to) {
            Ok(sent) => return Ok(Value::Number(sent as f64).into()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let ready = bound.wait(granted.shown(), bound.socket.writable()).await?;
                ready.map_err(|error| failed(&error, "send", &shown))?;
            }
            Err(error) => return Err(failed(&error, "send", &shown)),
        }
    }
}

/// Returns the form of an address that a socket with this own address can send to. A socket of all IPv6 addresses
/// reaches IPv4 addresses by their mapped form, which is the same destination.
fn reached_from(own: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
    match (own.ip(), to.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Some(to),
        (IpAddr::V6(own), IpAddr::V4(address)) if own.is_unspecified() => {
            Some(SocketAddr::new(address.to_ipv6_mapped().into(), to.port()))
        }
        _ => None,
    }
}

pub(super) fn declare(methods: &mut Methods<Net>) {
    methods
        .on(ActionName::LISTEN, |asked| {
            let (operation, shown) = bound_by(asked, "udp", "listenDatagram")?;
            Ok((operation, shown.into()))
        })
        .sync("listenDatagram", listen);
    let mut datagrams = methods.resource::<Datagrams>();
    datagrams
        .on(ActionName::LISTEN)
        .titled("listenDatagram")
        .asynchronous("receive", receive);
    datagrams
        .on(ActionName::LISTEN)
        .titled("listenDatagram")
        .asynchronous("send", send);
    datagrams.close("datagramsClose");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_reaches_addresses_of_its_own_version() {
        let reached = |own: &str, to: &str| {
            let reached = reached_from(own.parse().unwrap(), to.parse().unwrap());
            reached.map(|address| address.to_string())
        };
        assert_eq!(reached("0.0.0.0:1", "10.0.0.1:2").as_deref(), Some("10.0.0.1:2"));
        assert_eq!(reached("[::1]:1", "[::1]:2").as_deref(), Some("[::1]:2"));
        assert_eq!(
            reached("[::]:1", "10.0.0.1:2").as_deref(),
            Some("[::ffff:10.0.0.1]:2")
        );
        assert_eq!(reached("[::1]:1", "10.0.0.1:2"), None);
        assert_eq!(reached("127.0.0.1:1", "[::1]:2"), None);
    }
}
