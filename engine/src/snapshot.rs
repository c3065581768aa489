//! The heap snapshot of an engine with a locked realm. V8 creates isolates from it in a fraction of the time that the
//! scripts of this crate and deno_core take. QuickJS has no snapshots.

use crate::extensions::Extensions;

/// The snapshot that isolates start from. Without one, each isolate runs the scripts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot(Option<&'static [u8]>, usize);

/// The parts that isolates start from.
#[derive(Clone, Debug)]
pub struct Startup {
    /// The snapshot. It contains the first of the extensions.
    pub snapshot: Snapshot,
    /// The extensions.
    pub extensions: Extensions,
}

impl Snapshot {
    /// Returns no snapshot: isolates run the scripts.
    pub const NONE: Snapshot = Snapshot(None, 0);

    /// Returns the snapshot with these bytes and so many extensions. `create_snapshot` returned the bytes in a build
    /// script that used exactly this crate and the same extensions.
    ///
    /// V8 restores references to Rust functions by their index, so another build of this crate may have other indexes.
    pub const fn of_this_build(bytes: &'static [u8], extensions: usize) -> Snapshot {
        Snapshot(Some(bytes), extensions)
    }

    /// Returns the number of extensions whose scripts the snapshot contains.
    pub(crate) fn extensions(self) -> usize {
        self.1
    }

    pub(crate) fn bytes(self) -> Option<&'static [u8]> {
        self.0
    }
}
