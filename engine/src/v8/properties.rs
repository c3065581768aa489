//! Properties of V8 that the code for both engines asks for.

/// True if the engine is V8.
pub(crate) const IS_V8: bool = true;

/// True if the engine keeps the frames of an error out of the reach of guests.
pub(crate) const FRAMES_ARE_SAFE: bool = true;

/// True if the bindings may panic when they create an object.
pub(crate) const CREATION_PANICS: bool = false;

/// Returns the number of bytes by which the heap of this thread's isolate can still grow. V8 limits the heap itself, so
/// the result is unlimited.
pub(crate) fn heap_room() -> usize {
    usize::MAX
}

/// Returns true if the engine refused memory because of the heap limit. V8 terminates the isolate instead.
pub(crate) fn was_refused() -> bool {
    false
}
