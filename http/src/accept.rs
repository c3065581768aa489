//! The loop that accepts connections, until the server ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::connections::{Admitted, Connections};

/// Accepts connections and serves each on its own task, until `shutdown` completes. Then the open requests have the
/// time `ending` to finish.
pub async fn accept<F>(
    listener: TcpListener,
    connections: Arc<Connections>,
    ending: Duration,
    shutdown: impl Future<Output = ()>,
    mut connection: impl FnMut(TcpStream, Admitted, Watcher) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    // If no connection can be closed, drop this one.
                    if let Some(admitted) = connections.admit(client.ip()) {
                        let number = admitted.number;
                        let task = tasks.spawn(connection(stream, admitted, graceful.watcher()));
                        connections.is_served_by(number, task);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    connections.make_room();
                    // Aborted tasks need time to close, and a permanent error must not cause a busy loop.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            () = &mut shutdown => break,
        }
    }
    drop(listener);
    // An idle client must not delay the end of the server.
    let _ = tokio::time::timeout(ending, graceful.shutdown()).await;
    tasks.shutdown().await;
}
