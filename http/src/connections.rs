//! The open connections, and the choice of one to close if there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::wire::Activity;

/// The connections of one server. If a new connection exceeds a limit, the longest idle connection is closed. It is
/// chosen among the connections of the same address if that address has too many, else of the address with the most. So
/// a client cannot keep others out by holding idle connections.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    most_of_one: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    client: IpAddr,
    activity: Arc<Activity>,
    task: Option<AbortHandle>,
}

/// The idle time after which an unfinished response may be dropped for another connection.
const SILENCE: Duration = Duration::from_secs(5);

impl Connections {
    /// Creates the list of at most so many connections in all, and of one address.
    pub fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        let most = most.max(1);
        Arc::new(Self {
            most,
            most_of_one: most_of_one.clamp(1, most),
            open: Mutex::default(),
        })
    }

    /// Registers a connection of this client, and closes an idle one if necessary. Returns `None` if all others are
    /// busy.
    pub fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Admitted> {
        let client = network(client);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.of(client) >= self.most_of_one {
            open.close_silent(client)?;
        }
        if open.connections.len() >= self.most {
            let fullest = open.fullest()?;
            open.close_silent(fullest)?;
        }
        open.next += 1;
        let (number, activity) = (open.next, Arc::new(Activity::new()));
        let connection = Connection {
            client,
            activity: activity.clone(),
            task: None,
        };
        open.connections.insert(number, connection);
        Some(Admitted {
            connections: self.clone(),
            number,
            activity,
        })
    }

    /// Closes an idle connection, if the process has reached its limit of open files.
    pub fn make_room(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fullest) = open.fullest() {
            open.close_silent(fullest);
        }
    }

    /// Sets the task that serves the connection. Closing the connection aborts this task.
    pub fn is_served_by(&self, number: u64, task: AbortHandle) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = open.connections.get_mut(&number) {
            connection.task = Some(task);
        }
    }
}

impl Open {
    fn of(&self, client: IpAddr) -> usize {
        self.connections
            .values()
            .filter(|connection| connection.client == client)
            .count()
    }

    /// Returns the client with the most connections.
    fn fullest(&self) -> Option<IpAddr> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.connections.values() {
            *counts.entry(connection.client).or_default() += 1;
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(client, _)| client)
    }

    /// Closes this client's longest idle connection: one that waits for a request, else one whose client neither reads
    /// nor sends. Returns `None` if there is none.
    fn close_silent(&mut self, client: IpAddr) -> Option<()> {
        let (number, _) = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.client == client && connection.task.is_some())
            .map(|(number, connection)| {
                let activity = &connection.activity;
                (*number, (!activity.is_answering(), activity.silence()))
            })
            .filter(|(_, (is_awaited, silence))| *is_awaited || *silence >= SILENCE)
            .max_by_key(|(number, key)| (*key, std::cmp::Reverse(*number)))?;
        let closed = self.connections.remove(&number)?;
        if let Some(task) = closed.task {
            task.abort();
        }
        Some(())
    }
}

/// A registered connection. It is counted until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    connections: Arc<Connections>,
    /// The connection's number among all of the server.
    pub number: u64,
    /// The connection's state.
    pub activity: Arc<Activity>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self
            .connections
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.connections.remove(&self.number);
    }
}

/// Returns the address that a connection is counted under. For IPv6 this is the network of 64 bits, because every
/// customer has at least one.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn admitted(connections: &Arc<Connections>, client: &str) -> Option<Admitted> {
        let admitted = connections.admit(client.parse().unwrap())?;
        let task = tokio::spawn(std::future::pending::<()>());
        connections.is_served_by(admitted.number, task.abort_handle());
        Some(admitted)
    }

    fn open(connections: &Connections) -> Vec<u64> {
        let mut open: Vec<u64> = connections
            .open
            .lock()
            .unwrap()
            .connections
            .keys()
            .copied()
            .collect();
        open.sort_unstable();
        open
    }

    /// STORE-22: a connection that waits for a request is closed for a new one, and a busy connection never is.
    #[tokio::test]
    async fn idle_connections_make_room() {
        let connections = Connections::new(4, 2);
        let first = admitted(&connections, "127.0.0.1").await.unwrap();
        let second = admitted(&connections, "127.0.0.1").await.unwrap();
        let answering = first.activity.answering();
        let third = admitted(&connections, "127.0.0.1").await.unwrap();
        assert_eq!(open(&connections), [1, 3], "the second made room");
        let working = third.activity.answering();
        assert!(admitted(&connections, "127.0.0.1").await.is_none());
        drop(working);
        let _fourth = admitted(&connections, "127.0.0.1").await.unwrap();
        assert_eq!(open(&connections), [1, 4]);
        // Other addresses have their own limit. At the total limit, the client with the most connections loses one.
        let _other = admitted(&connections, "::1").await.unwrap();
        let _same = admitted(&connections, "::2:3").await.unwrap();
        assert_eq!(open(&connections), [1, 4, 5, 6]);
        drop(answering);
        drop(second);
        let _new = admitted(&connections, "10.0.0.1").await.unwrap();
        assert_eq!(open(&connections).len(), 4);
        assert!(open(&connections).contains(&7));
        drop(first);
        drop(third);
    }

    #[test]
    fn networks() {
        for (client, expected) in [
            ("10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let expected: IpAddr = expected.parse().unwrap();
            assert_eq!(network(client.parse().unwrap()), expected);
        }
    }
}
