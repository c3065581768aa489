//! Which connections are open, and which is closed where there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::wire::Activity;

/// The connections of one server. A new one closes the one that was silent for longest: of its own address where that has
/// too many, else of the address that has most. So nobody keeps others out by being silent.
#[derive(Debug)]
pub(super) struct Connections {
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

/// The silence after which the answer to a request may be given up for somebody else.
const SILENCE: Duration = Duration::from_secs(5);

impl Connections {
    pub(super) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one: most_of_one.clamp(1, most),
            open: Mutex::default(),
        })
    }

    /// Makes room for a connection of this client. None where all others are at work.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Admitted> {
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

    /// Closes a connection that is silent, where the process can open no more files.
    pub(super) fn make_room(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fullest) = open.fullest() {
            open.close_silent(fullest);
        }
    }

    /// Says by what the connection is closed.
    pub(super) fn is_served_by(&self, number: u64, task: AbortHandle) {
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

    /// The client that has most connections.
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

    /// Closes the connection of this client that was silent for longest: one that awaits a request, else one whose
    /// client takes or sends nothing. None where there is none.
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

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    connections: Arc<Connections>,
    pub(super) number: u64,
    pub(super) activity: Arc<Activity>,
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

/// Whose connection it is: an address, or the network of 64 bits that one customer of IPv6 has at least.
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

    /// STORE-22: a connection that awaits a request makes room for a new one, and never one that is at work.
    #[tokio::test]
    async fn who_makes_room() {
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
        // Others have their own room, and of all the client with most makes it.
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
