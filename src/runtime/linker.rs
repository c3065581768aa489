//! The linking of modules on QuickJS.
//!
//! The engine asks a function of its host for the full name of each module that it imports. The bindings' own function resolves names that
//! were recorded, by the importing module or by any other, and takes a name that it does not know for a full one. This one asks the
//! module loader of the isolate, which knows the names that it wrote into the text of modules. Any other name is an error.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::rc::Rc;

use deno_core::JsRuntime;

use super::quickjs::{Context, Value, context};
use crate::modules::GraphLoader;

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "QuickJS needs a target with 64-bit addresses: how its values are laid out elsewhere is not known here"
);

thread_local! {
    /// The loader of the isolate on this thread.
    static LOADER: RefCell<Option<Rc<GraphLoader>>> = const { RefCell::new(None) };
}

/// `JSModuleNormalizeFunc2`: context, name of the importing module, name of the imported one, attributes, data of the host.
type Normalize =
    unsafe extern "C" fn(Context, *const c_char, *const c_char, Value, *mut c_void) -> *mut c_char;

unsafe extern "C" {
    fn JS_GetRuntime(context: Context) -> *mut c_void;
    fn JS_SetModuleNormalizeFunc2(runtime: *mut c_void, normalize: Normalize);
    fn JS_ThrowReferenceError(context: Context, format: *const c_char, ...) -> Value;
    fn js_strdup(context: Context, text: *const c_char) -> *mut c_char;
}

/// The modules of the isolate on this thread are linked by a loader, until this is dropped.
pub(super) struct Linked(());

impl Drop for Linked {
    fn drop(&mut self) {
        // On a thread that ends, there is nothing to forget any more.
        let _ = LOADER.try_with(|loader| loader.take());
    }
}

/// Links the modules of this isolate by this loader alone.
pub(super) fn link_by(js: &mut JsRuntime, loader: &Rc<GraphLoader>) -> Linked {
    LOADER.set(Some(loader.clone()));
    deno_core::scope!(scope, js);
    // SAFETY: the context is alive and used on its thread; the function has the type that quickjs.h declares.
    unsafe { JS_SetModuleNormalizeFunc2(JS_GetRuntime(context(scope)), normalize) };
    Linked(())
}

/// The full name of what a module imports, or an exception.
unsafe extern "C" fn normalize(
    context: Context,
    importer: *const c_char,
    name: *const c_char,
    _attributes: Value,
    _data: *mut c_void,
) -> *mut c_char {
    // SAFETY: the engine passes two texts that end with a NUL and stay until this returns; what it gets is its own copy.
    unsafe {
        let (importer, name) = (CStr::from_ptr(importer), CStr::from_ptr(name));
        match linked(&importer.to_string_lossy(), &name.to_string_lossy()) {
            Ok(full) => js_strdup(context, full.as_ptr()),
            Err(problem) => {
                let _ = JS_ThrowReferenceError(context, c"%s".as_ptr(), problem.as_ptr());
                ptr::null_mut()
            }
        }
    }
}

fn linked(importer: &str, name: &str) -> Result<CString, CString> {
    // Texts of the engine come from C strings, so they have no NUL.
    let text = |text: String| CString::new(text).unwrap_or_default();
    let loader = LOADER.with_borrow(Option::clone);
    let found = match loader {
        Some(loader) => loader.linked(name, importer),
        None => Err(format!("import {name:?} in {importer}: no program runs here")),
    };
    found.map(text).map_err(text)
}
