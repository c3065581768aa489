//! Garbage collections, which QuickJS does not need, because it counts references.

use deno_core::v8;

/// The registration of an isolate for [`collect`].
pub(crate) struct Entered;

/// Registers the isolate of this thread.
pub(crate) fn enter(_isolate: &mut v8::Isolate, _note: impl Fn(usize) + 'static) -> Entered {
    Entered
}

/// Collects the garbage of this thread's isolate. It does nothing, because QuickJS counts references.
pub(crate) fn collect() {}

/// Collects the garbage of this isolate if `is_full` returns true. It does nothing, because QuickJS counts references.
pub(crate) fn collect_if(_isolate: &mut v8::Isolate, _is_full: impl FnOnce() -> bool) {}
