//! An engine's end: everything that its isolate has is given back.
//!
//! V8 does that by itself. QuickJS counts references, and frees with its runtime what nothing outside refers to. Its bindings (`v8x`
//! 149.4.0-rc.4, which deno_core 0.413 pins) refer to some objects that they never let go: each function template's prototype, what each
//! synthetic module exports, and more, in tables of the thread that are forgotten when the isolate is disposed of. One such object is enough:
//! every function refers to its realm, and the realm to all that is global and to all modules. So nothing is freed that is larger than
//! the blocks that the runtime carves from its own pages: all arrays, strings and code of the guest.
//!
//! What is done here: the last object that is made in such a heap knows all others, and says to the garbage collector, when that counts
//! for the last time, that whatever references it cannot find are its own. They are within the heap then like all others,
//! nothing is referred to from outside, and everything is freed as any garbage is, finalizers included.

use std::ops::{Deref, DerefMut};

use deno_core::JsRuntime;

/// An engine that gives back everything when it is dropped.
pub(super) struct Released(JsRuntime);

impl From<JsRuntime> for Released {
    fn from(js: JsRuntime) -> Self {
        Released(js)
    }
}

impl Deref for Released {
    type Target = JsRuntime;

    fn deref(&self) -> &JsRuntime {
        &self.0
    }
}

impl DerefMut for Released {
    fn deref_mut(&mut self) -> &mut JsRuntime {
        &mut self.0
    }
}

// Where addresses are not of 64 bits, QuickJS lays out its values otherwise; there, it gives back less.
#[cfg(all(feature = "quickjs", target_pointer_width = "64"))]
impl Drop for Released {
    fn drop(&mut self) {
        keeper::keep_all(&mut self.0);
    }
}

#[cfg(all(feature = "quickjs", target_pointer_width = "64"))]
mod keeper {
    use std::ffi::{c_char, c_int, c_void};
    use std::ptr;

    use deno_core::JsRuntime;

    use crate::runtime::quickjs::{self, Context, OBJECT, Value};

    /// A runtime of QuickJS.
    type Engine = *mut c_void;
    /// What the garbage collector has done with each object that another one refers to.
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

    // QuickJS's own interface (quickjs.h), which is linked with its bindings, and of these the function behind heap snapshots.
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

    /// All objects of a heap, each with how many references to it are the keeper's.
    struct Keeper {
        objects: Vec<(Value, u32)>,
        has_counted: bool,
    }

    impl Value {
        /// How many references there are to this object, or how many the collector has not found yet.
        ///
        /// # Safety
        /// It is a living object, and [`counts_are_known`].
        unsafe fn references(self) -> i32 {
            // SAFETY: the count is the second half of the eight bytes before every object (`JSMallocBlockHeader` of quickjs.c).
            unsafe { self.object.cast::<i32>().sub(1).read() }
        }
    }

    /// Whether the references to an object are counted where [`Value::references`] looks, tried with one that has one.
    ///
    /// # Safety
    /// The object is alive.
    unsafe fn counts_are_known(context: Context, object: Value) -> bool {
        // SAFETY: a second reference is made and let go. The four bytes before an object belong to its allocation whatever they are.
        unsafe {
            let one = object.references();
            JS_DupValue(context, object);
            let two = object.references();
            JS_FreeValue(context, object);
            (one, two, object.references()) == (1, 2, 1)
        }
    }

    /// Makes the keeper. The isolate must be disposed of next, and no guest run before.
    pub(super) fn keep_all(js: &mut JsRuntime) {
        let context = {
            deno_core::scope!(scope, js);
            quickjs::context(scope)
        };
        let class = Class {
            name: c"Keeper".as_ptr(),
            finalizer: drop_keeper,
            mark,
            call: ptr::null(),
            exotic: ptr::null(),
        };
        let mut id = 0;
        // SAFETY: the context is alive as the isolate is, and used on its thread. The calls are those that quickjs.h describes. From here to the
        // end the heap grows by this object alone, and the collector runs once, when the runtime is freed: the references that it
        // does not find then belong to nobody any more, since whoever has one and knows it has let it go before.
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
                tracing::warn!(
                    "QuickJS counts references in another way: the memory of isolates is not given back"
                );
                JS_FreeValue(context, object);
                return;
            }
            let mut count = 0;
            // Each is referred to once more for this: by the keeper, from now on.
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

    /// Tells the collector of the references that are the keeper's: the first time all that it has not found, and since the keeper is
    /// the last object, that is all that no object has; from then on the same ones.
    unsafe extern "C" fn mark(engine: Engine, keeper: Value, visit: Visit) {
        let mut id = 0;
        // SAFETY: the collector calls this with an object of the class: its opaque pointer is null or the keeper's, which nobody else uses.
        // The keeper has a reference to each of its objects, so they live.
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

    /// Forgets the references. All that they lead to is garbage, too, and freed by the collector whatever its count.
    unsafe extern "C" fn drop_keeper(_engine: Engine, keeper: Value) {
        let mut id = 0;
        // SAFETY: as in `mark`; a finalizer runs once.
        unsafe {
            let keeper = JS_GetAnyOpaque(keeper, &mut id).cast::<Keeper>();
            if !keeper.is_null() {
                drop(Box::from_raw(keeper));
            }
        }
    }
}
