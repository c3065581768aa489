//! QuickJS itself, below its bindings (`v8x` 149.4.0-rc.4, which deno_core 0.413 pins): what they do not offer.
//!
//! The functions are those of quickjs.h, and are linked with the bindings. Values are laid out so where addresses have 64 bits.

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

/// The tag of an object.
pub(super) const OBJECT: i64 = -1;
/// The tag of what is returned where something was thrown.
const EXCEPTION: i64 = 6;

/// `JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY`.
const COMPILE: c_int = 1 << 5;
/// `JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE`: with the lines for stack traces, without the text.
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

/// The context that the runtime's code runs in.
pub(super) fn context(scope: &v8::PinScope<'_, '_>) -> Context {
    let context = scope.get_current_context();
    let handle: *const v8::Context = &*context;
    // SAFETY: a handle of the bindings is a place of a value; a context's holds its address, where an object's has the object's.
    unsafe { (*handle.cast::<Value>()).object }
}

/// A script, compiled.
///
/// # Errors
/// What the compiler says.
pub(super) fn compile(js: &mut JsRuntime, name: &CStr, source: &CStr) -> Result<Vec<u8>, String> {
    deno_core::scope!(scope, js);
    let context = context(scope);
    // SAFETY: the context is alive and used on its thread; both texts end with a NUL; what is written is copied before it is freed.
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

/// Runs what [`compile`] gave, in this process.
///
/// # Errors
/// What the script throws.
pub(super) fn run(js: &mut JsRuntime, compiled: &[u8]) -> Result<(), String> {
    deno_core::scope!(scope, js);
    let context = context(scope);
    // SAFETY: the context is alive, entered and used on its thread. The bytes are the compiler's own, of this very library.
    unsafe {
        let script = JS_ReadObject(context, compiled.as_ptr(), compiled.len(), READ);
        if script.tag == EXCEPTION {
            return Err(thrown(context));
        }
        // Takes the script.
        let value = JS_EvalFunction(context, script);
        if value.tag == EXCEPTION {
            return Err(thrown(context));
        }
        JS_FreeValue(context, value);
        Ok(())
    }
}

/// What was thrown, as text; nothing is pending any more.
///
/// # Safety
/// The context is alive, used on its thread, and something was thrown.
unsafe fn thrown(context: Context) -> String {
    // SAFETY: the text is copied before it is freed, and the value freed once.
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
