//! Linking of modules on QuickJS.
//!
//! QuickJS calls a function of its host to get the full name of each imported module. The function of the bindings
//! searches the names that any module has recorded, and treats an unknown name as a full name. This file replaces it
//! with a function that asks the isolate's module loader. The loader knows the names that it wrote into the text of
//! modules. Any other name is an error.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::rc::Rc;

use deno_core::JsRuntime;
use secure_runtime_loaders::ModuleKind;

use super::bindings::{Context, Value, context};
use crate::modules::GraphLoader;
use crate::modules::synthetic_urls::{BINDINGS, SELF};

thread_local! {
    /// The loader of the isolate on this thread.
    static LOADER: RefCell<Option<Rc<GraphLoader>>> = const { RefCell::new(None) };
}

/// `JSModuleNormalizeFunc2`: context, name of the importing module, name of the imported module, attributes, data of
/// the host.
type Normalize =
    unsafe extern "C" fn(Context, *const c_char, *const c_char, Value, *mut c_void) -> *mut c_char;

unsafe extern "C" {
    fn JS_GetRuntime(context: Context) -> *mut c_void;
    fn JS_SetModuleNormalizeFunc2(runtime: *mut c_void, normalize: Normalize);
    fn JS_ThrowReferenceError(context: Context, format: *const c_char, ...) -> Value;
    fn js_strdup(context: Context, text: *const c_char) -> *mut c_char;
}

/// The registration of a loader for the modules of this thread's isolate. Dropping it removes the registration.
pub(crate) struct Linked(());

impl Drop for Linked {
    fn drop(&mut self) {
        // On a thread that ends, the loader may already be gone.
        let _ = LOADER.try_with(|loader| loader.take());
    }
}

/// Links the modules of this isolate with this loader only.
pub(crate) fn link_by(js: &mut JsRuntime, loader: &Rc<GraphLoader>) -> Linked {
    LOADER.set(Some(loader.clone()));
    deno_core::scope!(scope, js);
    // SAFETY: the context is alive and used on its thread; the function has the type that quickjs.h declares.
    unsafe { JS_SetModuleNormalizeFunc2(JS_GetRuntime(context(scope)), normalize) };
    Linked(())
}

/// Returns the full name of an imported module, or throws an exception.
unsafe extern "C" fn normalize(
    context: Context,
    importer: *const c_char,
    name: *const c_char,
    _attributes: Value,
    _data: *mut c_void,
) -> *mut c_char {
    // SAFETY: the engine passes two strings that end with a NUL and live until this function returns. The result is a
    // copy that the engine owns.
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
    // The engine's strings come from C strings, so they contain no NUL.
    let text = |text: String| CString::new(text).unwrap_or_default();
    let loader = LOADER.with_borrow(Option::clone);
    let found = match loader {
        Some(loader) => loader.linked(name, importer),
        None => Err(format!("import {name:?} in {importer}: no program runs here")),
    };
    found.map(text).map_err(text)
}

impl GraphLoader {
    /// Returns the URL of the module that `name` means for the module with the URL `importer`. QuickJS calls this when
    /// it links that module, and uses nothing else (see `normalize`).
    ///
    /// If the loader did not write the name into the importing module's text, the result is an error.
    fn linked(&self, name: &str, importer: &str) -> Result<String, String> {
        if let Some(own) = self.own_urls.of_url(importer)
            && self.own_urls.value_url(own) == name
        {
            return Ok(name.to_owned());
        }
        // A synthetic module for JSON, whose text is the runtime's, imports the value.
        let data = self.index_of(importer).and_then(|index| self.graph.module(index));
        if name == importer && data.is_some_and(|module| module.kind == ModuleKind::Json) {
            return Ok(name.to_owned());
        }
        let found = || {
            let from = *self.by_url.get(importer)?;
            let specifier = self.texts.specifier(name, from)?;
            if specifier == SELF || specifier == BINDINGS {
                return Some(self.of_its_own(&specifier, from));
            }
            self.locked(&specifier, from).map(String::from)
        };
        found().ok_or_else(|| self.unchecked(name, importer))
    }
}

#[cfg(test)]
mod tests;
