//! The built-in families, one file each.

mod clock;
mod env;
mod fs;
mod kv;
mod module;
mod net;
mod random;

pub use clock::{Clock, Resolution};
pub use env::{Env, VariableName};
pub use fs::Fs;
pub use kv::{Key, Kv, MAX_KEY};
pub use module::{Module, ModuleId};
pub use net::Net;
pub use random::{RANDOM_SOURCE, Random};

/// The resource text of an operation that names none, for families whose one resource needs no name.
pub(crate) const WHOLE: &str = "true";
