//! Properties of QuickJS that the code for both engines asks for.

use super::heap;

/// True if the engine is V8.
pub(crate) const IS_V8: bool = false;

/// True if the engine keeps the frames of an error out of the reach of guests.
pub(crate) const FRAMES_ARE_SAFE: bool = false;

/// True if the bindings may panic when they create an object.
pub(crate) const CREATION_PANICS: bool = true;

/// Returns the number of bytes by which the heap of this thread's isolate can still grow.
pub(crate) fn heap_room() -> usize {
    heap::room()
}

/// Returns true if the engine refused memory because of the heap limit. QuickJS then throws an error.
pub(crate) fn was_refused() -> bool {
    heap::was_refused()
}
