//! The heap snapshot of an engine with a locked realm, which build.rs creates. V8 creates isolates from it in a
//! fraction of the time that the scripts of this crate and deno_core take.

/// The snapshot that isolates start from. Without it, isolates run the scripts. QuickJS does not support snapshots.
#[cfg(all(feature = "v8", feature = "snapshot"))]
pub(crate) const BOOT: Option<&'static [u8]> =
    Some(include_bytes!(concat!(env!("OUT_DIR"), "/boot.snapshot")));

#[cfg(not(all(feature = "v8", feature = "snapshot")))]
pub(crate) const BOOT: Option<&'static [u8]> = None;
