//! Isolates: their threads, their start, the programs that run in them, and their end.

mod boot;
mod completion;
pub(crate) mod event_loop;
mod job;
mod leased;
pub(crate) mod panics;
mod pool;
mod released;
mod run;
mod shared;
mod thread;
mod uncaught;

pub use self::pool::{Pool, StartingIsolate};
pub use self::thread::{prepare, start_engine};

pub(crate) use self::completion::Completion;
pub(crate) use self::event_loop::call;
pub(crate) use self::job::{Entry, Job};
pub(crate) use self::pool::perform;
pub(crate) use self::shared::Shared;
