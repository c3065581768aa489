//! The snapshot of the locked realm, which build.rs creates.

use secure_runtime_engine::Snapshot;
#[cfg(all(feature = "v8", feature = "snapshot"))]
use secure_runtime_families::BUILTIN;

/// The snapshot that isolates start from. Without the feature `snapshot`, isolates run the scripts.
#[cfg(all(feature = "v8", feature = "snapshot"))]
pub(crate) const BOOT: Snapshot = Snapshot::of_this_build(
    include_bytes!(concat!(env!("OUT_DIR"), "/boot.snapshot")),
    BUILTIN,
);

#[cfg(not(all(feature = "v8", feature = "snapshot")))]
pub(crate) const BOOT: Snapshot = Snapshot::NONE;
