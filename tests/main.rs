//! Tests of the runtime's specification through its public interface. They are one binary, because each binary would
//! link the engine again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod attacks;
mod bounds;
mod cli;
mod console;
#[cfg(feature = "v8")]
mod crypto;
mod delegation;
mod endowments;
mod errors;
mod extensions;
mod fs;
mod guest;
mod imports;
mod isolates;
mod kv;
mod limits;
mod log;
mod matrix;
#[cfg(all(target_os = "linux", feature = "v8"))]
mod memory;
mod net;
mod packages;
mod permits;
mod realm;
mod repairs;
mod revocations;
mod sandbox;
mod secrets;
mod serving;
#[cfg(target_os = "linux")]
mod soak;
mod support;
mod transformed;
mod typescript;
mod wasm;
mod web_table;
