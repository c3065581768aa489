//! The limits of a server.

use std::time::Duration;

use super::super::MAX_BLOB_SIZE;
use super::Guard;

/// Who may do what with a store that is served, and how much of the server each client gets.
#[derive(Clone)]
pub struct ServeOptions {
    /// Asks for tokens. Without it everybody may read and nobody may add.
    pub guard: Option<Guard>,
    /// Most connections at one time. A process that may open fewer files has fewer.
    pub connections: usize,
    /// Most connections of one address at one time; of IPv6, of one network of 64 bits.
    pub connections_per_address: usize,
    /// The time for the head of a request, counted from the end of the answer before it.
    pub head: Duration,
    /// How long a client may keep the server waiting within a request or an answer; it is earned again by [`slowest`](Self::slowest).
    pub patience: Duration,
    /// The bytes a second that a client must send or take once its patience is used up.
    pub slowest: u64,
    /// The time that requests have to end after the server was told to stop.
    pub ending: Duration,
    /// The largest blob that is added, in bytes: what is written before a hash is known.
    pub blob: u64,
    /// Most blobs that are added at one time.
    pub adds: usize,
    /// Most blobs that are added at one time with the tokens of one account.
    pub adds_per_account: usize,
    /// Most bytes of one account that are on the disk or were there within the last hour, and that no hash has proven.
    pub unproven: u64,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            guard: None,
            connections: 256,
            connections_per_address: 64,
            head: Duration::from_secs(10),
            patience: Duration::from_secs(30),
            slowest: 16 * 1024,
            ending: Duration::from_secs(10),
            blob: MAX_BLOB_SIZE,
            adds: 16,
            adds_per_account: 4,
            unproven: 4 * MAX_BLOB_SIZE,
        }
    }
}

impl std::fmt::Debug for ServeOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServeOptions")
            .field("is_guarded", &self.guard.is_some())
            .field("connections", &self.connections)
            .field("blob", &self.blob)
            .finish_non_exhaustive()
    }
}

/// Files that the process needs besides connections: standard streams, the event loop, the store, revocation lists.
const OTHER_FILES: u64 = 32;

/// Files that a connection may need: its socket, a blob and an outboard.
const FILES_OF_A_CONNECTION: u64 = 3;

impl ServeOptions {
    /// The number of connections for which the process may open enough files.
    pub(super) fn connections(&self) -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let possible = limit.map_or(u64::MAX, |files| {
            files.saturating_sub(OTHER_FILES) / FILES_OF_A_CONNECTION
        });
        let possible = usize::try_from(possible).unwrap_or(usize::MAX);
        self.connections.min(possible).max(1)
    }
}
