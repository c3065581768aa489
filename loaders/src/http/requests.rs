//! A limit on the number of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{HttpError, NoResponse};

/// The number of requests that may still be made for one file, whatever the server responds. Clones share the number.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    left: Arc<AtomicU32>,
}

/// Maximum number of requests for one file. It includes retries, continued downloads and the outboard file. If a large
/// blob needs more, for example 1 TiB over an unstable connection, the next command continues the download.
pub(super) const MAX_REQUESTS: u32 = 64;

impl Default for Requests {
    fn default() -> Self {
        Self {
            left: Arc::new(AtomicU32::new(MAX_REQUESTS)),
        }
    }
}

impl Requests {
    /// Counts a request before it is made.
    ///
    /// # Errors
    /// Returns [`HttpError::Unavailable`] if no more requests may be made.
    pub(super) fn count(&self) -> Result<(), HttpError> {
        let left = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(NoResponse::Requests.into()),
        }
    }
}
