//! Pieces that are made on a thread that may wait for the disk, for a task that may not.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

/// Exactly `length` bytes of `pieces`; what they have beyond is not given. After an error nothing comes: whoever is told
/// how long it all is sees that bytes are missing.
pub(super) fn on_a_thread(
    pieces: impl Iterator<Item = io::Result<Bytes>> + Send + 'static,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(8);
    tokio::task::spawn_blocking(move || {
        let mut left = length;
        for piece in pieces {
            let is_last = piece.is_err();
            if let Err(error) = &piece {
                tracing::error!(%error, "what was to be sent is broken off");
            }
            let piece = piece.map(|mut piece| {
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= piece.len() as u64;
                piece
            });
            // The receiver is gone when whoever wanted the pieces is.
            if sender.blocking_send(piece).is_err() || is_last || left == 0 {
                return;
            }
        }
    });
    stream::poll_fn(move |context| receiver.poll_recv(context))
}
