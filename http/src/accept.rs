//! The loop that accepts connections, until the server ends.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connections::{Admitted, Connections};

/// A signal that the server ends.
#[derive(Clone, Debug)]
pub struct End(watch::Receiver<bool>);

impl End {
    /// Completes when the server ends.
    pub async fn begins(&mut self) {
        // Without a sender, the server has ended.
        let _ = self.0.wait_for(|ends| *ends).await;
    }

    /// Waits for a connection to complete. When the server ends, `finish` is called once. It should tell the connection
    /// to accept no more requests.
    pub async fn watch<C: Future>(mut self, connection: C, finish: impl FnOnce(Pin<&mut C>)) -> C::Output {
        let mut connection = pin!(connection);
        tokio::select! {
            output = &mut connection => return output,
            () = self.begins() => finish(connection.as_mut()),
        }
        connection.await
    }
}

/// Accepts connections and serves each on its own task, until `shutdown` completes. Then the open requests have the
/// time `ending` to finish.
pub async fn accept<F>(
    listener: TcpListener,
    connections: Arc<Connections>,
    ending: Duration,
    shutdown: impl Future<Output = ()>,
    mut connection: impl FnMut(TcpStream, Admitted, End) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (ends, end) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    // If no connection can be closed, drop this one.
                    if let Some(admitted) = connections.admit(client.ip()) {
                        let number = admitted.number;
                        let task = tasks.spawn(connection(stream, admitted, End(end.clone())));
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
    let _ = ends.send(true);
    let _ = tokio::time::timeout(ending, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
}
