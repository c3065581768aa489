//! The heap snapshot of an engine with a locked realm. V8 creates isolates from it in a fraction of the time that the
//! scripts of this crate and deno_core take. QuickJS has no snapshots.

/// The snapshot that isolates start from. Without one, each isolate runs the scripts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot(Option<&'static [u8]>);

impl Snapshot {
    /// Returns no snapshot: isolates run the scripts.
    pub const NONE: Snapshot = Snapshot(None);

    /// Returns the snapshot with these bytes. `create_snapshot` returned them in a build script that used exactly this
    /// crate.
    ///
    /// V8 restores references to Rust functions by their index, so another build of this crate may have other indexes.
    pub const fn of_this_build(bytes: &'static [u8]) -> Snapshot {
        Snapshot(Some(bytes))
    }

    pub(crate) fn bytes(self) -> Option<&'static [u8]> {
        self.0
    }
}
