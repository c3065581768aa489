//! The connection of a request that becomes a socket.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use deno_core::CancelHandle;
use secure_runtime_http::websocket::{Accepted, Socket, SocketLimits};
use secure_runtime_http::{End, OnUpgrade};
use tokio::sync::watch;

use crate::memory::Reservation;

/// The signs that the server of a request ends.
pub(super) struct Leaving {
    /// Becomes true when the handler gets no more requests.
    pub(super) closed: watch::Receiver<bool>,
    /// The end of the server, if it is one of the crate `secure-runtime-http`.
    pub(super) server: Option<End>,
}

impl Leaving {
    pub(super) async fn begins(&mut self) {
        let closed = async {
            // Without a sender, the handler has ended.
            let _ = self.closed.wait_for(|closed| *closed).await;
        };
        match &mut self.server {
            None => closed.await,
            Some(server) => tokio::select! {
                () = closed => {}
                () = server.begins() => {}
            },
        }
    }
}

/// A socket of a request.
pub(super) struct Upgrade {
    /// `None` after the response was sent.
    pub(super) accepted: RefCell<Option<Accepted>>,
    /// `None` while the connection is being upgraded, and after that.
    pub(super) connection: RefCell<Option<OnUpgrade>>,
    pub(super) leaving: RefCell<Option<Leaving>>,
    pub(super) limits: SocketLimits,
    pub(super) socket: OnceCell<Socket>,
    /// Ends the calls that wait.
    pub(super) dropped: Rc<CancelHandle>,
    pub(super) _memory: Reservation,
}
