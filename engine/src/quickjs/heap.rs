//! The heap limit on QuickJS.
//!
//! QuickJS refuses an allocation beyond its limit with an error that a guest can catch, and can also create itself. So
//! the engine calls a function of the host before it refuses. This function records that the limit was hit. The
//! bindings also have such a function, but it does not report to the runtime. This one replaces it and does the same.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use deno_core::JsRuntime;

use super::bindings::context;

/// A callback for heaps near the limit. It gets the current limit and the initial one, and returns the new limit.
type NearLimit = Box<dyn FnMut(usize, usize) -> usize>;

struct Heap {
    runtime: *mut c_void,
    first: usize,
    limit: usize,
    near_limit: NearLimit,
}

thread_local! {
    /// The heap of the isolate on this thread.
    static HEAP: RefCell<Option<Heap>> = const { RefCell::new(None) };
    /// True if the engine refused an allocation on this thread. It stays true after the isolate has gone.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    fn JS_GetRuntime(context: *mut c_void) -> *mut c_void;
    fn JS_SetMemoryLimit(runtime: *mut c_void, limit: usize);
    fn JS_SetMemoryLimitHandler(
        runtime: *mut c_void,
        handler: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
        data: *mut c_void,
    );
    fn v82jsc_malloc_size(runtime: *mut c_void) -> usize;
}

/// The registration of a heap limit for this thread's isolate. Dropping it removes the registration.
pub(crate) struct Watched(());

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = HEAP.try_with(|heap| heap.take());
    }
}

/// Returns the number of bytes beyond the limit that the engine may use. If the host raises the limit, the engine needs
/// this memory to continue.
fn headroom(limit: usize) -> usize {
    (limit / 8).max(2 << 20)
}

/// Enforces the heap limit of this isolate.
pub(super) fn watch(
    js: &mut JsRuntime,
    limit: usize,
    near_limit: impl FnMut(usize, usize) -> usize + 'static,
) -> Watched {
    deno_core::scope!(scope, js);
    // SAFETY: the context is alive and used on its thread, and the function has the type that quickjs.h declares.
    unsafe {
        let runtime = JS_GetRuntime(context(scope));
        HEAP.set(Some(Heap {
            runtime,
            first: limit,
            limit,
            near_limit: Box::new(near_limit),
        }));
        JS_SetMemoryLimit(runtime, limit.saturating_add(headroom(limit)));
        JS_SetMemoryLimitHandler(runtime, Some(at_limit), std::ptr::null_mut());
    }
    Watched(())
}

/// Returns the number of bytes that the engine can allocate before it refuses.
pub(super) fn room() -> usize {
    HEAP.with_borrow(|heap| {
        let heap = heap.as_ref();
        // SAFETY: the runtime outlives its registration, and this is its thread.
        heap.map_or(usize::MAX, |heap| unsafe {
            heap.limit
                .saturating_add(headroom(heap.limit))
                .saturating_sub(v82jsc_malloc_size(heap.runtime))
        })
    })
}

/// Returns the number of bytes that the engine currently uses.
pub(super) fn used() -> usize {
    HEAP.with_borrow(|heap| {
        // SAFETY: the runtime outlives its registration, and this is its thread.
        heap.as_ref()
            .map_or(0, |heap| unsafe { v82jsc_malloc_size(heap.runtime) })
    })
}

/// Returns true if the engine refused an allocation because of the limit.
pub(super) fn was_refused() -> bool {
    REFUSED.try_with(Cell::get).unwrap_or_default()
}

/// Handles an allocation that the engine is about to refuse.
unsafe extern "C" fn at_limit(runtime: *mut c_void, _data: *mut c_void) {
    // SAFETY: the engine passes its own runtime.
    let used = unsafe { v82jsc_malloc_size(runtime) };
    let _ = REFUSED.try_with(|refused| refused.set(true));
    let raised = HEAP.try_with(|heap| {
        let mut heap = heap.try_borrow_mut().ok()?;
        let heap = heap.as_mut()?;
        // A single large allocation may be refused far below the limit. The guest can continue with less.
        if used.saturating_add(headroom(heap.limit)) < heap.limit {
            return None;
        }
        let limit = (heap.near_limit)(heap.limit, heap.first);
        (limit > heap.limit).then(|| {
            heap.limit = limit;
            limit
        })
    });
    if let Ok(Some(limit)) = raised {
        // SAFETY: as above.
        unsafe { JS_SetMemoryLimit(runtime, limit.saturating_add(headroom(limit))) };
    }
}
