//! Teardown of an engine: all memory of its isolate is freed.
//!
//! QuickJS counts references. When its runtime is freed, it frees all objects that nothing outside
//! refers to. Its bindings (`v8x` 149.4.0-rc.4, which deno_core 0.413 pins) leak references to some objects. Examples
//! are the prototype of each function template and the exports of each synthetic module. The references are in
//! thread-local tables that are dropped with the isolate.
//!
//! One such object is enough: every function refers to its realm, and the realm refers to all globals and modules. So
//! no allocation is freed that is larger than the blocks that the runtime allocates from its own pages. These are all
//! arrays, strings and code of the guest.
//!
//! This module creates a last object in such a heap, the keeper, which refers to all other objects. During the last
//! collection, the keeper tells the garbage collector that it owns all references that the collector cannot find. So
//! these references seem to come from inside the heap, and nothing outside refers to an object. The collector then
//! frees everything like any garbage, and runs the finalizers.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use deno_core::JsRuntime;

use super::bindings::{self, Context, OBJECT, Value};

/// A runtime of QuickJS.
type Engine = *mut c_void;
/// The garbage collector's function for each object that another one refers to.
type Visit = unsafe extern "C" fn(Engine, *mut c_void);

/// `JSClassDef` of quickjs.h.
#[repr(C)]
struct Class {
    name: *const c_char,
    finalizer: unsafe extern "C" fn(Engine, Value),
    mark: unsafe extern "C" fn(Engine, Value, Visit),
    call: *const c_void,
    exotic: *const c_void,
}

// QuickJS's own interface (quickjs.h), which is linked with its bindings. `v82jsc_heap_objects` is the bindings'
// function for heap snapshots.
unsafe extern "C" {
    fn JS_GetRuntime(context: Context) -> Engine;
    fn JS_SetGCThreshold(engine: Engine, bytes: usize);
    fn JS_SetMemoryLimit(engine: Engine, bytes: usize);
    fn JS_NewClassID(engine: Engine, id: *mut u32) -> u32;
    fn JS_NewClass(engine: Engine, id: u32, class: *const Class) -> c_int;
    fn JS_NewObjectClass(context: Context, id: u32) -> Value;
    fn JS_SetOpaque(object: Value, opaque: *mut c_void) -> c_int;
    fn JS_GetAnyOpaque(object: Value, id: *mut u32) -> *mut c_void;
    fn JS_DupValue(context: Context, value: Value) -> Value;
    fn JS_FreeValue(context: Context, value: Value);
    fn JS_MarkValue(engine: Engine, value: Value, visit: Visit);
    fn v82jsc_heap_objects(context: Context, count: *mut usize) -> *mut Value;
    fn free(memory: *mut c_void);
}

/// All objects of a heap, each with the number of references that the keeper owns.
struct Keeper {
    objects: Vec<(Value, u32)>,
    has_counted: bool,
}

impl Value {
    /// Returns the number of references to this object. During a collection, it is the number of references that
    /// the collector has not found yet.
    ///
    /// # Safety
    /// The value is a living object, and [`counts_are_known`] has returned true.
    unsafe fn references(self) -> i32 {
        // SAFETY: the count is the second half of the eight bytes before every object (`JSMallocBlockHeader` of
        // quickjs.c).
        unsafe { self.object.cast::<i32>().sub(1).read() }
    }
}

/// Returns true if [`Value::references`] reads the reference count of an object. It tests this with an object that
/// has one reference.
///
/// # Safety
/// The object is alive.
unsafe fn counts_are_known(context: Context, object: Value) -> bool {
    // SAFETY: a second reference is created and dropped. The four bytes before an object belong to its allocation
    // in any case.
    unsafe {
        let one = object.references();
        JS_DupValue(context, object);
        let two = object.references();
        JS_FreeValue(context, object);
        (one, two, object.references()) == (1, 2, 1)
    }
}

/// Creates the keeper. The caller must dispose of the isolate next, and run no guest before.
pub(crate) fn teardown(js: &mut JsRuntime) {
    let context = {
        deno_core::scope!(scope, js);
        bindings::context(scope)
    };
    let class = Class {
        name: c"Keeper".as_ptr(),
        finalizer: drop_keeper,
        mark,
        call: ptr::null(),
        exotic: ptr::null(),
    };
    let mut id = 0;
    // SAFETY: the context lives as long as the isolate, and is used on its thread. The calls follow quickjs.h. From
    // here on, only this object is added to the heap, and the collector runs once, when the runtime is freed.
    // References that it does not find then are leaked: every owner that still exists has dropped its references
    // before.
    unsafe {
        let engine = JS_GetRuntime(context);
        JS_SetGCThreshold(engine, usize::MAX);
        JS_SetMemoryLimit(engine, usize::MAX);
        JS_NewClassID(engine, &mut id);
        if JS_NewClass(engine, id, &class) != 0 {
            return;
        }
        let object = JS_NewObjectClass(context, id);
        if object.tag != OBJECT {
            return;
        }
        if !counts_are_known(context, object) {
            tracing::warn!("QuickJS counts references in another way: the memory of isolates is not freed");
            JS_FreeValue(context, object);
            return;
        }
        let mut count = 0;
        // The function adds one reference to each object, which the keeper now owns.
        let all = v82jsc_heap_objects(context, &mut count);
        let mut objects = Vec::new();
        if !all.is_null() {
            objects.extend(
                std::slice::from_raw_parts(all, count)
                    .iter()
                    .map(|object| (*object, 0)),
            );
            free(all.cast());
        }
        let keeper = Box::new(Keeper {
            objects,
            has_counted: false,
        });
        JS_SetOpaque(object, Box::into_raw(keeper).cast());
    }
}

/// Reports the references of the keeper to the collector. At the first call, these are all references that the
/// collector has not found. The keeper is the last object, so no object owns them. Later calls report the same
/// references.
unsafe extern "C" fn mark(engine: Engine, keeper: Value, visit: Visit) {
    let mut id = 0;
    // SAFETY: the collector calls this with an object of the class. Its opaque pointer is null or points to the
    // keeper, which has no other user. The keeper has a reference to each of its objects, so they are alive.
    unsafe {
        let Some(keeper) = JS_GetAnyOpaque(keeper, &mut id).cast::<Keeper>().as_mut() else {
            return;
        };
        for (object, references) in &mut keeper.objects {
            if !keeper.has_counted {
                *references = u32::try_from(object.references()).unwrap_or(0);
            }
            for _ in 0..*references {
                JS_MarkValue(engine, *object, visit);
            }
        }
        keeper.has_counted = true;
    }
}

/// Drops the list of references. The objects are also garbage, so the collector frees them, whatever their counts
/// are.
unsafe extern "C" fn drop_keeper(_engine: Engine, keeper: Value) {
    let mut id = 0;
    // SAFETY: as in `mark`. A finalizer runs once.
    unsafe {
        let keeper = JS_GetAnyOpaque(keeper, &mut id).cast::<Keeper>();
        if !keeper.is_null() {
            drop(Box::from_raw(keeper));
        }
    }
}
