//! The limits of a server.

use std::time::Duration;

/// The limits of a server, for each client and for all together.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Maximum number of concurrent connections. It is lower if the process may not open enough files.
    pub connections: usize,
    /// Maximum number of concurrent connections of one address. For IPv6, of one network of 64 bits.
    pub connections_per_address: usize,
    /// Maximum number of concurrent requests of one HTTP/2 connection.
    pub streams: u32,
    /// Maximum size of a request's head, in bytes.
    pub head_bytes: usize,
    /// Maximum number of headers of a request.
    pub headers: usize,
    /// The time limit for the head of a request, counted from the end of the previous response.
    pub head: Duration,
    /// Maximum size of a request's body, in bytes.
    pub body: u64,
    /// The time that a client may pause within a request or a response. Transferred bytes restore it at the rate of
    /// [`slowest`](Self::slowest).
    pub patience: Duration,
    /// The rate in bytes a second that a client must keep once its patience is used up.
    pub slowest: u64,
    /// The time for open requests to finish after the server was told to stop.
    pub ending: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            connections: 4096,
            connections_per_address: 1024,
            streams: 128,
            head_bytes: 64 << 10,
            headers: 100,
            head: Duration::from_secs(30),
            body: 64 << 20,
            patience: Duration::from_secs(30),
            slowest: 1024,
            ending: Duration::from_secs(10),
        }
    }
}

/// The number of files that a process needs besides connections: standard streams, the event loop, stores, revocation
/// lists.
const OTHER_FILES: u64 = 32;

/// Returns the number of connections, at most `wanted`, for which the process may open enough files. Each needs
/// `files`.
pub fn possible_connections(wanted: usize, files: u64) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let possible = limit.map_or(u64::MAX, |most| most.saturating_sub(OTHER_FILES) / files.max(1));
    let possible = usize::try_from(possible).unwrap_or(usize::MAX);
    wanted.min(possible).max(1)
}
