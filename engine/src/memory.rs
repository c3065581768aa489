//! The account of an isolate's external memory, which the host holds outside the engine's heap.
//!
//! The engine's heap limit does not count this memory: array buffers (V8), bytes that operations return, and arguments
//! and results of pending operations. The account counts all of it. Its limit equals the heap limit. Capabilities have
//! another such account (`extensions/external_memory.rs`).

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::js_engine;

/// The sum of the peak memory of a program's isolates. The peaks need not be at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Bytes of the engine's heap. V8's heap is measured at each garbage collection and at the end, including its
    /// compilers' memory. QuickJS's heap is measured at the end. If the heap limit was hit, it counts in full on both
    /// engines.
    pub heap: u64,
    /// Bytes outside the engine's heap that the isolates' accounts counted. They include array buffers (V8), results,
    /// capabilities, and other memory that spec/runtime.md names (RUN-86).
    pub held: u64,
}

impl MemoryUse {
    /// Returns the sum.
    pub(crate) fn and(self, other: MemoryUse) -> MemoryUse {
        MemoryUse {
            heap: self.heap.saturating_add(other.heap),
            held: self.held.saturating_add(other.held),
        }
    }
}

/// Maximum size of a small allocation, in bytes. Small allocations may exceed the limit of the account by a quarter.
const SMALL: usize = 4096;

/// Maximum number of consecutive collections of garbage that free no memory. After that, only some requests collect,
/// because a collection takes as long as ten thousand refused requests.
const FUTILE_COLLECTIONS: usize = 8;
/// Number of requests for each collection after that.
const LATER_COLLECTION: usize = 64;

/// The account of the memory that one isolate may hold outside the engine's heap. Clones share the account.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Account>);

struct Account {
    most: usize,
    used: AtomicUsize,
    /// The maximum that `used` has reached.
    peak: AtomicUsize,
    /// The maximum measured size of the engine's heap.
    heap: AtomicUsize,
    /// The account of the isolate's capabilities, if it has some.
    capabilities: OnceLock<Memory>,
    /// The number of results that guests have not received yet. Requests that wait for memory wait for these.
    in_flight: AtomicUsize,
    /// The number of consecutive requests that did not get memory.
    failures: AtomicUsize,
    /// The number of garbage collections that were requested.
    collections: AtomicUsize,
    /// True if a guest received a result since the last collection. The guest may have dropped this result.
    has_delivered: AtomicBool,
    freed: Notify,
}

/// Memory outside the engine's heap that is counted for an isolate, until this is dropped.
pub struct Reservation {
    memory: Memory,
    bytes: usize,
    in_flight: bool,
}

/// The error for a request that exceeds the limit of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    asked: usize,
    used: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "there is no room for {} bytes: buffers and results that are alive take {}; keep fewer of them, or raise the \
             limit `heap`",
            self.asked, self.used
        )
    }
}

impl Memory {
    /// Creates the account of an isolate with this heap limit.
    pub(crate) fn new(heap: u64) -> Self {
        Memory(Arc::new(Account {
            most: usize::try_from(heap).unwrap_or(usize::MAX),
            used: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            heap: AtomicUsize::new(0),
            capabilities: OnceLock::new(),
            in_flight: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            collections: AtomicUsize::new(0),
            has_delivered: AtomicBool::new(false),
            freed: Notify::new(),
        }))
    }

    /// Returns the account of this isolate's capabilities. It has its own limit, equal to the heap limit. So a guest
    /// that keeps many capabilities can still use them.
    pub(crate) fn of_capabilities(&self) -> Memory {
        let made = || Memory::new(self.0.most as u64);
        self.0.capabilities.get_or_init(made).clone()
    }

    /// Records the current size of the engine's heap.
    pub(crate) fn note_heap(&self, bytes: usize) {
        self.0.heap.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Records the number of bytes that are currently held, if the engine counts some of them.
    pub(crate) fn note_held(&self, bytes: usize) {
        self.0.peak.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Returns the maximum that was counted here, and the maximum size of the heap.
    pub(crate) fn most_used(&self) -> MemoryUse {
        let peak = |memory: &Memory| memory.0.peak.load(Ordering::Relaxed) as u64;
        MemoryUse {
            heap: self.0.heap.load(Ordering::Relaxed) as u64,
            held: peak(self).saturating_add(self.0.capabilities.get().map_or(0, peak)),
        }
    }

    /// Returns the maximum number of bytes that may be held.
    pub(crate) fn most(&self) -> usize {
        self.0.most
    }

    /// Returns the number of bytes that are currently held.
    pub(crate) fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Counts the bytes if there is enough memory. Returns true in this case.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        // Large results must not block small operations.
        let reserve = if bytes <= SMALL && self.0.most > 16 * SMALL {
            self.0.most / 4
        } else {
            0
        };
        let most = self.0.most.saturating_add(reserve);
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= most);
        let counted = self
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if let Ok(before) = counted {
            self.0
                .peak
                .fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
        }
        counted.is_ok()
    }

    /// Stops counting the bytes.
    pub(crate) fn give_back(&self, bytes: usize) {
        let less = |used: usize| Some(used.saturating_sub(bytes));
        let _ = self
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.0.freed.notify_waiters();
    }

    /// Counts the bytes unconditionally. Callers that a guest can trigger must check the limit first.
    pub(crate) fn hold(&self, bytes: usize) -> Reservation {
        let before = self.0.used.fetch_add(bytes, Ordering::Relaxed);
        self.0
            .peak
            .fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
        self.held(bytes)
    }

    /// Counts the bytes if there is enough memory.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<Reservation> {
        self.take(bytes).then(|| self.held(bytes))
    }

    /// Counts the bytes, if necessary after a garbage collection. It must be called on the isolate's thread.
    ///
    /// # Errors
    /// There is not enough memory.
    pub(crate) fn hold_now(&self, bytes: usize) -> Result<Reservation, NoRoom> {
        if let Some(held) = self.try_hold(bytes) {
            self.0.failures.store(0, Ordering::Relaxed);
            return Ok(held);
        }
        let failures = self.0.failures.fetch_add(1, Ordering::Relaxed);
        let collects = failures < FUTILE_COLLECTIONS || failures.is_multiple_of(LATER_COLLECTION);
        if bytes <= self.0.most && collects {
            self.0.collections.fetch_add(1, Ordering::SeqCst);
            self.0.has_delivered.store(false, Ordering::SeqCst);
            js_engine::collect();
        }
        let held = self.try_hold(bytes);
        if held.is_some() {
            self.0.failures.store(0, Ordering::Relaxed);
        }
        held.ok_or(self.no_room(bytes))
    }

    /// Counts the bytes of a result that a guest has not received yet. It waits while other results are in flight,
    /// because the guest may drop them. It must be called on the isolate's thread.
    ///
    /// # Errors
    /// There is not enough memory, and nothing to wait for.
    pub(crate) async fn room_for(&self, bytes: usize) -> Result<Reservation, NoRoom> {
        if let Some(held) = self.try_hold(bytes) {
            return Ok(held.sent());
        }
        let begun = self.0.collections.load(Ordering::SeqCst);
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // This must come before the check of the account, so that memory that is freed after the check wakes this
            // task.
            freed.as_mut().enable();
            if let Some(held) = self.try_hold(bytes) {
                return Ok(held.sent());
            }
            let is_alone = self.0.in_flight.load(Ordering::SeqCst) == 0;
            // One collection serves all tasks that waited for it. Otherwise, a thousand tasks would collect a thousand
            // times.
            let is_answered = self.0.collections.load(Ordering::SeqCst) != begun
                && !self.0.has_delivered.load(Ordering::SeqCst);
            if is_alone && is_answered {
                return Err(self.no_room(bytes));
            }
            if bytes > self.0.most || is_alone {
                return Ok(self.hold_now(bytes)?.sent());
            }
            freed.await;
        }
    }

    fn held(&self, bytes: usize) -> Reservation {
        Reservation {
            memory: self.clone(),
            bytes,
            in_flight: false,
        }
    }

    fn no_room(&self, asked: usize) -> NoRoom {
        NoRoom {
            asked,
            used: self.used(),
        }
    }
}

impl Reservation {
    /// Marks the bytes as those of a result in flight.
    fn sent(mut self) -> Self {
        self.in_flight = true;
        self.memory.0.in_flight.fetch_add(1, Ordering::SeqCst);
        self
    }

    /// Reduces the number of counted bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.memory.give_back(less);
    }

    /// Adds the bytes of another reservation of the same account.
    pub(crate) fn join(&mut self, mut other: Reservation) {
        other.delivered();
        self.bytes = self.bytes.saturating_add(std::mem::take(&mut other.bytes));
    }

    /// Removes so many bytes, or all of them, and returns a reservation for these.
    pub(crate) fn split(&mut self, bytes: usize) -> Reservation {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.memory.held(bytes)
    }

    /// Marks the result as received by the guest. The bytes are still counted.
    pub(crate) fn delivered(&mut self) {
        if std::mem::take(&mut self.in_flight) {
            self.memory.0.has_delivered.store(true, Ordering::SeqCst);
            self.memory.0.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.memory.0.freed.notify_waiters();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.delivered();
        self.memory.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_memory_is_counted_once_and_returned() {
        let memory = Memory::new(100);
        let mut first = memory.try_hold(60).unwrap();
        assert!(memory.try_hold(60).is_none());
        first.shrink_to(30);
        let second = memory.hold_now(70).unwrap();
        assert_eq!(memory.hold_now(1).err(), Some(NoRoom { asked: 1, used: 100 }));
        let mut both = memory.hold(0);
        both.join(first);
        both.join(second);
        drop(both.split(60));
        assert_eq!(memory.used(), 40);
        drop(both.split(60));
        assert_eq!(memory.used(), 0);
        // This counts the bytes unconditionally, even beyond the limit.
        let over = memory.hold(usize::MAX / 2);
        assert!(memory.try_hold(1).is_none());
        drop(over);
        assert!(memory.try_hold(100).is_some());
        assert!(memory.try_hold(usize::MAX).is_none());
    }

    #[test]
    fn the_peak_includes_capabilities_and_does_not_decrease() {
        let memory = Memory::new(100);
        assert_eq!(memory.most_used(), MemoryUse::default());
        drop((memory.hold(30), memory.try_hold(50)));
        drop(memory.try_hold(1000));
        drop(memory.of_capabilities().hold(7));
        memory.of_capabilities().hold(5);
        memory.note_heap(9);
        memory.note_heap(3);
        assert_eq!(memory.most_used(), MemoryUse { heap: 9, held: 87 });
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_result_waits_for_those_in_flight_and_for_nothing_else() {
        let reactor = tokio::runtime::Builder::new_current_thread().build().unwrap();
        reactor.block_on(async {
            let memory = Memory::new(100);
            let mut first = memory.room_for(80).await.unwrap();
            let waits = async { memory.room_for(40).await.map(drop) };
            let delivers = async {
                tokio::task::yield_now().await;
                // The guest has received the result and keeps it, so there is nothing to wait for.
                first.delivered();
            };
            let (waited, ()) = tokio::join!(waits, delivers);
            assert!(waited.is_err());
            let second = memory.room_for(20).await.unwrap();
            let waits = async { memory.room_for(90).await.map(drop) };
            let drops = async {
                tokio::task::yield_now().await;
                drop((first, second));
            };
            let (waited, ()) = tokio::join!(waits, drops);
            assert_eq!(waited, Ok(()));
            assert!(memory.room_for(101).await.is_err());
            assert_eq!(memory.used(), 0);
        });
    }
}
