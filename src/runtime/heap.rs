//! The heap limit on QuickJS.
//!
//! The engine refuses an allocation beyond its limit, and throws an error that the guest can catch, and also make. So a function of the host
//! is called before the engine refuses: it says whether the limit was really hit. The bindings have such a function as well, which says this
//! to nobody; this one replaces it and does the same.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use deno_core::JsRuntime;

use super::quickjs::context;

/// What is called with the present limit and the first one, near the limit; the new limit is what it returns.
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
    /// Whether it was refused memory: also when it is gone.
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

/// The limit of the isolate on this thread is watched, until this is dropped.
pub(super) struct Watched(());

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = HEAP.try_with(|heap| heap.take());
    }
}

/// The bytes beyond the limit that the engine may use: to go on in, when it is near the limit and the host raises that.
fn headroom(limit: usize) -> usize {
    (limit / 8).max(2 << 20)
}

/// Watches the limit of this isolate.
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

/// How many bytes the engine can take before it refuses an allocation.
pub(super) fn room() -> usize {
    HEAP.with_borrow(|heap| {
        let heap = heap.as_ref();
        // SAFETY: the runtime is alive as long as it is watched, and this is its thread.
        heap.map_or(usize::MAX, |heap| unsafe {
            heap.limit
                .saturating_add(headroom(heap.limit))
                .saturating_sub(v82jsc_malloc_size(heap.runtime))
        })
    })
}

/// How many bytes the engine takes now.
pub(super) fn used() -> usize {
    HEAP.with_borrow(|heap| {
        // SAFETY: the runtime is alive as long as it is watched, and this is its thread.
        heap.as_ref()
            .map_or(0, |heap| unsafe { v82jsc_malloc_size(heap.runtime) })
    })
}

/// Whether the engine refused an allocation because of the limit.
pub(super) fn was_refused() -> bool {
    REFUSED.try_with(Cell::get).unwrap_or_default()
}

/// The engine is about to refuse an allocation.
unsafe extern "C" fn at_limit(runtime: *mut c_void, _data: *mut c_void) {
    // SAFETY: the engine passes its runtime.
    let used = unsafe { v82jsc_malloc_size(runtime) };
    let _ = REFUSED.try_with(|refused| refused.set(true));
    let raised = HEAP.try_with(|heap| {
        let mut heap = heap.try_borrow_mut().ok()?;
        let heap = heap.as_mut()?;
        // One large allocation may be refused far from the limit: the guest can go on with less.
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
