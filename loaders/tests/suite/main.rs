//! Tests of the crate's promises through its public interface. Each test names the line of spec/ that it checks.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod attack_list;
mod attacks;
mod browser;
mod commonjs;
#[cfg(feature = "http")]
mod crash;
mod drift;
#[cfg(feature = "http")]
mod errors;
mod fixture;
mod graph;
mod graph_text;
mod hostile;
mod load;
mod lockfile;
mod named;
mod resolve;
mod resolve_refused;
#[cfg(feature = "http")]
mod server;
mod signatures;
mod store_collect;
#[cfg(feature = "http")]
mod store_http;
#[cfg(feature = "http")]
mod store_limits;
mod store_local;
#[cfg(feature = "http")]
mod store_requests;
#[cfg(feature = "http")]
mod store_serve;
#[cfg(feature = "http")]
mod store_stream;
#[cfg(feature = "http")]
mod store_tokens;
mod typescript;
mod wasm;
