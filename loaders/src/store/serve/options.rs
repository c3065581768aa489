//! The limits of a server.

use std::time::Duration;

use secure_runtime_http::possible_connections;

use super::super::MAX_BLOB_SIZE;
use super::Guard;

/// The access control of a server, and the limits for each client.
#[derive(Clone)]
pub struct ServeOptions {
    /// The access control. Without it, everyone may read and nobody may upload.
    pub guard: Option<Guard>,
    /// Maximum number of concurrent connections. It is lower if the process may not open enough files.
    pub connections: usize,
    /// Maximum number of concurrent connections of one address. For IPv6, of one network of 64 bits.
    pub connections_per_address: usize,
    /// The time limit for the head of a request, counted from the end of the previous response.
    pub head: Duration,
    /// The time that a client may pause within a request or a response. Transferred bytes restore it at the rate of
    /// [`slowest`](Self::slowest).
    pub patience: Duration,
    /// The rate in bytes a second that a client must keep once its patience is used up.
    pub slowest: u64,
    /// The time for open requests to finish after the server was told to stop.
    pub ending: Duration,
    /// Maximum size of an upload, in bytes. It bounds what is written before the hash is verified.
    pub blob: u64,
    /// Maximum number of concurrent uploads.
    pub adds: usize,
    /// Maximum number of concurrent uploads of one account.
    pub adds_per_account: usize,
    /// Maximum number of unverified bytes of one account, in bytes. It counts bytes on disk, and bytes of failed
    /// uploads within the last hour.
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

/// The number of files that a connection may need: its socket, a blob and an outboard.
const FILES_OF_A_CONNECTION: u64 = 3;

impl ServeOptions {
    /// Returns the number of connections for which the process may open enough files.
    pub(super) fn connections(&self) -> usize {
        possible_connections(self.connections, FILES_OF_A_CONNECTION)
    }
}
