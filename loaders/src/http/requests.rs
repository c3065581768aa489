//! A bound on the number of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{HttpError, unavailable};

/// The requests that may still be made for one file, whatever the server answers. Clones share the number.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    left: Arc<AtomicU32>,
}

/// Most requests for one file: attempts, continued answers and the outboard included. A blob of 1 TiB over a connection
/// that breaks off more often is continued by the next command.
pub(crate) const MAX_REQUESTS: u32 = 64;

impl Default for Requests {
    fn default() -> Self {
        Self {
            left: Arc::new(AtomicU32::new(MAX_REQUESTS)),
        }
    }
}

impl Requests {
    /// Counts a request that is about to be made.
    ///
    /// # Errors
    /// [`HttpError::Unavailable`] where no more may be made.
    pub(super) fn count(&self) -> Result<(), HttpError> {
        let left = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(unavailable(&format!(
                "it was asked {MAX_REQUESTS} times for one file, and its answers break off; ask again later"
            ))),
        }
    }
}
