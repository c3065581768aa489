//! Pieces that are made on a thread that may wait for the disk, for a task that may not.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// How many bytes are made at once: enough that changing threads costs little beside reading them.
const BATCH: usize = 256 * 1024;

/// Exactly `length` bytes of `pieces`; what they have beyond is not given. After an error nothing comes: whoever is told
/// how long it all is sees that bytes are missing.
///
/// A batch is made when the one before it was taken. A receiver that takes nothing holds memory for one batch, and no
/// thread: threads that wait for slow receivers would leave none for others.
pub(super) fn on_a_thread<Pieces>(
    pieces: Pieces,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static
where
    Pieces: Iterator<Item = io::Result<Bytes>> + Send + 'static,
{
    let batches = stream::unfold(Some((pieces, length)), |state| async {
        let (pieces, left) = state?;
        match tokio::task::spawn_blocking(move || batch(pieces, left)).await {
            Ok((batch, state)) => Some((batch, state)),
            Err(error) => Some((vec![Err(io::Error::other(error))], None)),
        }
    });
    batches.flat_map(stream::iter)
}

type Batch = Vec<io::Result<Bytes>>;

/// The next pieces, and what is left of them, if anything is.
fn batch<Pieces>(mut pieces: Pieces, mut left: u64) -> (Batch, Option<(Pieces, u64)>)
where
    Pieces: Iterator<Item = io::Result<Bytes>>,
{
    let (mut batch, mut size) = (Vec::new(), 0);
    while left > 0 && size < BATCH {
        match pieces.next() {
            Some(Ok(mut piece)) => {
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= piece.len() as u64;
                size += piece.len();
                batch.push(Ok(piece));
            }
            Some(Err(error)) => {
                tracing::error!(%error, "what was to be sent is broken off");
                batch.push(Err(error));
                return (batch, None);
            }
            None => return (batch, None),
        }
    }
    let rest = (left > 0).then_some((pieces, left));
    (batch, rest)
}
