//! Listeners of TCP. Each accepted connection is decided again on each use, as listening on the listener's address.

use std::rc::Rc;

use secure_runtime_capabilities::{ActionName, ListenEndpoint, Operation};
use secure_runtime_engine::extension::{
    Arguments, Asked, Methods, OperationError, Output, Reservation, clipped,
};
use tokio::net::TcpListener;

use super::destination::{again, failed};
use super::{Call, Net, tcp};
use crate::closing::Closing;

/// Memory of a listener, in bytes.
const LISTENER: usize = 16 << 10;

/// A listener in the table of resources.
type Listener = Closing<Accepting>;

struct Accepting {
    socket: TcpListener,
    _memory: Reservation,
}

/// Parses the first argument, `address:port`, as a socket to bind.
pub(super) fn bound_by(
    asked: &Asked<'_, Net>,
    transport: &str,
    doing: &str,
) -> Result<(Operation<'static>, String), OperationError> {
    let shown = format!("{transport}://{}", asked.text(0)?);
    match ListenEndpoint::parse(&shown) {
        Ok(endpoint) => Ok((Operation::net_listen(&endpoint), clipped(&shown).into_owned())),
        Err(problem) => Err(OperationError::type_error(format!(
            "{doing} {:?}: {problem}",
            clipped(&shown)
        ))),
    }
}

/// Returns the decided socket address. It is the one that is bound.
pub(super) fn decided(granted: &Call) -> Result<std::net::SocketAddr, OperationError> {
    let endpoint = ListenEndpoint::parse(granted.resource());
    let endpoint = endpoint.map_err(|problem| OperationError::type_error(problem.to_string()))?;
    Ok(endpoint.address().address())
}

fn listen(granted: Call, _: Arguments) -> Result<Output, OperationError> {
    let failed = |error: std::io::Error| failed(&error, "listen", granted.shown());
    let permit = granted.permit_open()?;
    let memory = granted.reserve(LISTENER, "listen")?;
    let socket = std::net::TcpListener::bind(decided(&granted)?).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let socket = TcpListener::from_std(socket).map_err(failed)?;
    let bound = tcp::address(socket.local_addr().map_err(failed)?);
    let accepting = Accepting {
        socket,
        _memory: memory,
    };
    Ok(granted.open(&[ActionName::LISTEN], Closing::new(accepting), permit, bound))
}

/// Waits for the next connection.
async fn accept(granted: Call, listener: Rc<Listener>, _: Arguments) -> Result<Output, OperationError> {
    let accepting = listener.used();
    drop(listener);
    let shown = granted.shown();
    let permit = granted.permit_open()?;
    let memory = tcp::reserve(&granted, "accept")?;
    let accepted = accepting.wait(shown, accepting.socket.accept()).await?;
    let (stream, _) = accepted.map_err(|error| failed(&error, "accept", shown))?;
    again(&granted)?;
    tcp::opened(&granted, stream, memory, permit, &[ActionName::LISTEN])
}

pub(super) fn declare(methods: &mut Methods<Net>) {
    methods
        .on(ActionName::LISTEN, |asked| {
            let (operation, shown) = bound_by(asked, "tcp", "listen")?;
            Ok((operation, shown.into()))
        })
        .sync("listen", listen);
    let mut listener = methods.resource::<Listener>();
    listener
        .on(ActionName::LISTEN)
        .titled("listen")
        .asynchronous("accept", accept);
    listener.close("listenerClose");
}
