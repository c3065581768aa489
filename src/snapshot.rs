//! The heap of an engine with a locked realm, which build.rs made: V8 makes isolates from it in a fraction of the time that our
//! scripts and deno_core's take to run.

/// What isolates are made from; without it, they run the scripts. QuickJS has no such thing.
#[cfg(all(feature = "v8", feature = "snapshot"))]
pub(crate) const BOOT: Option<&'static [u8]> =
    Some(include_bytes!(concat!(env!("OUT_DIR"), "/boot.snapshot")));

#[cfg(not(all(feature = "v8", feature = "snapshot")))]
pub(crate) const BOOT: Option<&'static [u8]> = None;
