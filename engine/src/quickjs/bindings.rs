//! Features of QuickJS that its bindings lack (`v8x` 149.4.0-rc.4, which deno_core 0.413 pins).
//!
//! The functions are declared in quickjs.h, and are linked with the bindings. The layout of values is that of targets
//! with 64-bit addresses.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use deno_core::{JsRuntime, v8};

/// A context of QuickJS.
pub(super) type Context = *mut c_void;

/// A value of QuickJS.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) object: *mut c_void,
    pub(super) tag: i64,
}

/// Tag of an object.
pub(super) const OBJECT: i64 = -1;
/// Tag of the value that a function returns if it threw an exception.
const EXCEPTION: i64 = 6;

/// `JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY`.
const COMPILE: c_int = 1 << 5;
/// `JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE`: with the line numbers for stack traces, but without the source.
const WRITE: c_int = 1 | 1 << 4;
/// `JS_READ_OBJ_BYTECODE`.
const READ: c_int = 1;

unsafe extern "C" {
    fn JS_Eval(
        context: Context,
        text: *const c_char,
        length: usize,
        name: *const c_char,
        flags: c_int,
    ) -> Value;
    fn JS_WriteObject(context: Context, size: *mut usize, object: Value, flags: c_int) -> *mut u8;
    fn JS_ReadObject(context: Context, bytes: *const u8, length: usize, flags: c_int) -> Value;
    fn JS_EvalFunction(context: Context, function: Value) -> Value;
    fn JS_GetException(context: Context) -> Value;
    fn JS_ToCStringLen2(context: Context, length: *mut usize, value: Value, cesu8: bool) -> *const c_char;
    fn JS_FreeCString(context: Context, text: *const c_char);
    fn JS_FreeValue(context: Context, value: Value);
    fn js_free(context: Context, memory: *mut c_void);
}

/// Returns the context that the runtime's code runs in.
pub(super) fn context(scope: &v8::PinScope<'_, '_>) -> Context {
    let context = scope.get_current_context();
    let handle: *const v8::Context = &*context;
    // SAFETY: a handle of the bindings points to a value. For a context, this value contains the context's address, in
    // the field that contains an object's address otherwise.
    unsafe { (*handle.cast::<Value>()).object }
}

/// Compiles a script and returns its bytecode.
///
/// # Errors
/// The message of the compiler.
pub(super) fn compile(js: &mut JsRuntime, name: &CStr, source: &CStr) -> Result<Vec<u8>, String> {
    deno_core::scope!(scope, js);
    let context = context(scope);
    // SAFETY: the context is alive and used on its thread. Both strings end with a NUL. The output is copied before it
    // is freed.
    unsafe {
        let length = source.count_bytes();
        let script = JS_Eval(context, source.as_ptr(), length, name.as_ptr(), COMPILE);
        if script.tag == EXCEPTION {
            return Err(thrown(context));
        }
        let mut size = 0;
        let written = JS_WriteObject(context, &mut size, script, WRITE);
        JS_FreeValue(context, script);
        if written.is_null() {
            return Err(thrown(context));
        }
        let bytes = std::slice::from_raw_parts(written, size).to_vec();
        js_free(context, written.cast());
        Ok(bytes)
    }
}

/// Runs bytecode that [`compile`] returned in this process.
///
/// # Errors
/// The exception of the script.
pub(super) fn run(js: &mut JsRuntime, compiled: &[u8]) -> Result<(), String> {
    deno_core::scope!(scope, js);
    let context = context(scope);
    // SAFETY: the context is alive, entered and used on its thread. The bytes come from the compiler of the same
    // library.
    unsafe {
        let script = JS_ReadObject(context, compiled.as_ptr(), compiled.len(), READ);
        if script.tag == EXCEPTION {
            return Err(thrown(context));
        }
        // `JS_EvalFunction` takes ownership of the script.
        let value = JS_EvalFunction(context, script);
        if value.tag == EXCEPTION {
            return Err(thrown(context));
        }
        JS_FreeValue(context, value);
        Ok(())
    }
}

/// Returns the pending exception as text, and clears it.
///
/// # Safety
/// The context is alive and used on its thread, and an exception is pending.
unsafe fn thrown(context: Context) -> String {
    // SAFETY: the string is copied before it is freed, and the value is freed once.
    unsafe {
        let error = JS_GetException(context);
        let text = JS_ToCStringLen2(context, ptr::null_mut(), error, false);
        let said = if text.is_null() {
            "an error without text".to_owned()
        } else {
            CStr::from_ptr(text).to_string_lossy().into_owned()
        };
        JS_FreeCString(context, text);
        JS_FreeValue(context, error);
        said
    }
}
