//! A stream whose pieces are read on a thread that may block, for async tasks.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// The number of bytes that are read at once. It is large enough that switching threads costs little compared to
/// reading.
const BATCH: usize = 256 * 1024;

/// Returns a stream of exactly the first `length` bytes of `pieces`. The stream ends after an error. A receiver that
/// knows the length sees that bytes are missing.
///
/// A batch is read after the previous batch was taken. A slow receiver therefore holds memory for one batch, but no
/// thread. Otherwise slow receivers could occupy all threads.
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

/// Returns the next pieces, and the rest if there is one.
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
                tracing::error!(%error, "a response broke off");
                batch.push(Err(error));
                return (batch, None);
            }
            None => return (batch, None),
        }
    }
    let rest = (left > 0).then_some((pieces, left));
    (batch, rest)
}
