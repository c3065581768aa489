//! The realm: the JavaScript environment that guests see. It is created and locked before any guest runs.
//!
//! The scripts run in this order:
//!
//! - prepare.js creates staging objects.
//! - intrinsics.js takes functions that read the internal state of objects.
//! - bounds.js replaces functions of V8 that take much memory outside its heap.
//! - clone.js contains `structuredClone`.
//! - report.js contains the form in which uncaught errors are reported.
//! - permits.js lists the properties that may stay.
//! - harden.js contains the functions that remove properties and freeze objects.
//! - The files of `web/` add their classes to the staging objects. They differ between the engines: see web.rs.
//! - families.js contains the base of capability objects, and define.js those of capabilities that modules make.
//! - The scripts `tame_*.js` replace built-in functions that read the time, use chance, or run code from strings, and
//!   those whose memory V8 does not count. uncaught.js describes errors that nobody caught.
//! - lockdown.js installs the globals, and removes and freezes the rest. It leaves two functions. One adds the script
//!   of an extension, and the other one finishes the lockdown in each isolate.

use std::collections::HashMap;
use std::rc::Rc;

use deno_core::{Extension, ExtensionFileSource, OpState, ascii_str, op2};

use crate::console::{ConsoleLine, PrintSink};
use crate::extensions::{Chain, Marks, Monitor, OperationError, marks_prefix, properties_of};
use crate::quota::{Account, Bytes, InFlight, Permit};
use crate::termination::Termination;

mod web;

/// The last script. It runs after the scripts of the extensions.
pub(crate) const LOCKDOWN: &str = include_str!("lockdown.js");
/// Name of the last script, in stack traces and as the referrer of its imports.
pub(crate) const LOCKDOWN_NAME: &str = "ext:secure_runtime/lockdown.js";

/// Name of the global function that adds the script of an extension. It exists until the realm is finished.
pub(crate) const EXTEND: &str = "__extend";

/// Name of the global function that Rust calls last, in every isolate. Its argument is an error that was not created in
/// JavaScript. It returns the functions with which Rust creates capabilities.
pub(crate) const FINISH: &str = "__finish";

/// Prints the output of a module. Without a chain, the output is charged to the isolate's own package.
#[op2(fast)]
fn op_sr_print(
    state: &mut OpState,
    #[cppgc] chain: Option<&Chain>,
    #[string] text: &str,
    is_error: bool,
) -> Result<(), OperationError> {
    let monitor = state.borrow::<Rc<Monitor>>();
    let own = state.borrow::<Account>();
    let (account, module, package) = match chain {
        Some(Chain(capability)) => {
            let principal = &capability.principal;
            (
                &capability.account,
                principal.name.as_str(),
                principal.package.as_str(),
            )
        }
        None => (own, "", ""),
    };
    let counted = account.bytes(Bytes::Output, text.len());
    let shown = if chain.is_some() { module } else { "the program" };
    counted.map_err(|hit| monitor.rules.over(&hit, ("console", "print"), "", shown))?;
    let line = ConsoleLine {
        text,
        is_error,
        module,
        package,
    };
    state.borrow::<PrintSink>().print(line, || is_stopped(state));
    Ok(())
}

/// Returns true if this isolate was stopped.
pub(crate) fn is_stopped(state: &OpState) -> bool {
    let termination = state.try_borrow::<Termination>();
    termination.is_some_and(|termination| termination.reason().is_some())
}

/// The active timers of an isolate, by the package that they count against. The isolate's own timers have an empty
/// name.
#[derive(Default)]
pub(crate) struct Timers(HashMap<String, Vec<Permit>>);

/// Counts a timer that was set, or stops counting one that has ended.
#[op2(fast)]
fn op_sr_timer(
    state: &mut OpState,
    #[cppgc] chain: Option<&Chain>,
    is_set: bool,
) -> Result<(), OperationError> {
    let (account, module, package) = match chain {
        Some(Chain(capability)) => {
            let principal = &capability.principal;
            (
                &capability.account,
                principal.name.as_str(),
                principal.package.as_str(),
            )
        }
        None => (state.borrow::<Account>(), "the program", ""),
    };
    if is_set {
        let begun = account.begin(InFlight::Timer);
        let monitor = state.borrow::<Rc<Monitor>>();
        let held = begun.map_err(|hit| monitor.rules.over(&hit, ("timer", "set"), "", module))?;
        let timers = &mut state.borrow_mut::<Timers>().0;
        timers.entry(package.to_owned()).or_default().push(held);
    } else if let Some(timers) = state.borrow_mut::<Timers>().0.get_mut(package) {
        // All timers of a package count the same, so any of them can be removed.
        timers.pop();
    }
    Ok(())
}

/// Creates an extension whose scripts are part of the binary.
///
/// The scripts that `deno_core::extension!` names are read from the source folder each time an engine starts. This path
/// is valid only on the machine that built the binary. Anyone who can write there could change the realm.
macro_rules! with_scripts {
    ($extension:ident: $($path:literal),+ $(,)?) => {{
        let mut extension = $extension::init();
        extension.js_files = vec![$(deno_core::ExtensionFileSource::new(
            concat!("ext:", stringify!($extension), "/", $path),
            deno_core::ascii_str_include!($path),
        )),+]
        .into();
        extension
    }};
}
pub(crate) use with_scripts;

/// Returns the text of the mark for an error with this message that Rust is creating. It is empty if the error has
/// none. See `extensions/marks.rs`.
///
/// It is called while the error of another op is created, and that op may still borrow the state.
#[op2(reentrant)]
#[string]
fn op_sr_mark(#[string] message: &str) -> String {
    Marks::text_here(message)
}

/// Returns the prefix of the texts in which the realm describes errors.
#[op2]
#[string]
fn op_sr_mark_prefix() -> &'static str {
    marks_prefix()
}

/// Returns the names and values of the properties of the error that Rust is creating with this message, if it has some.
#[op2(reentrant)]
#[serde]
fn op_sr_error_properties(#[string] message: &str) -> Option<Vec<(&'static str, String)>> {
    properties_of(message)
}

deno_core::extension!(
    sr_prepare,
    ops = [
        op_sr_error_properties,
        op_sr_mark,
        op_sr_mark_prefix,
        op_sr_print,
        op_sr_timer
    ]
);

/// Returns the realm's own extensions, in order.
pub(crate) fn extensions() -> Vec<Extension> {
    vec![prepare(), web::extension()]
}

deno_core::extension!(sr_taming);

/// Returns the scripts that tame the language's built-in objects. They run after all scripts that need the originals.
pub(crate) fn taming() -> Extension {
    with_scripts!(sr_taming: "tame_function.js", "tame_symbol.js", "tame_date.js", "tame_math.js", "tame_intl.js", "tame_array_buffer.js", "tame_webassembly.js", "uncaught.js")
}

fn prepare() -> Extension {
    let mut extension = with_scripts!(sr_prepare: "prepare.js", "intrinsics.js", "bounds.js", "clone.js", "report.js", "permits.js", "harden.js");
    // prepare.js requests this script, and explains why.
    let nothing = ExtensionFileSource::new("ext:sr_prepare/nothing.js", ascii_str!("(() => {})()"));
    extension.lazy_loaded_js_files = vec![nothing].into();
    extension
}

#[cfg(test)]
mod tests {
    use deno_core::error::JsError;
    use deno_core::{FastString, JsRuntime, RuntimeOptions};

    use super::*;
    use crate::termination::Stopped;

    /// An engine that starts reads no file.
    #[test]
    fn every_script_of_the_realm_is_part_of_the_binary() {
        let mut extensions = extensions();
        extensions.extend([crate::extensions::families(), crate::serving::scripts(), taming()]);
        let scripts: Vec<_> = extensions.iter().flat_map(|one| one.js_files.iter()).collect();
        assert!(scripts.len() >= 22);
        for script in scripts {
            assert!(script.is_runtime_loadable(), "{}", script.specifier);
        }
    }

    /// Returns the result of a script in a locked realm. `brought` runs before lockdown, and stands for an addition by
    /// a newer engine or by a script of the runtime. `late` runs before the realm is finished, and stands for an
    /// addition by the engine.
    fn locked_after(brought: &str, late: &str, script: &str) -> Result<String, Box<JsError>> {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _entered = reactor.enter();
        let mut extensions = extensions();
        extensions.extend([crate::extensions::families(), crate::serving::scripts(), taming()]);
        let mut js = JsRuntime::new(RuntimeOptions {
            extensions,
            ..RuntimeOptions::default()
        });
        js.execute_script("brought.js", FastString::from(brought.to_owned()))?;
        js.execute_script(LOCKDOWN_NAME, LOCKDOWN)?;
        js.execute_script("late.js", FastString::from(late.to_owned()))?;
        js.execute_script("finish.js", format!("{FINISH}(new Error())"))?;
        let value = js.execute_script("guest.js", FastString::from(script.to_owned()))?;
        deno_core::scope!(scope, js);
        let value = deno_core::v8::Local::new(scope, value);
        Ok(value.to_rust_string_lossy(scope))
    }

    /// RUN-90. Otherwise a thread that waits for room in the console queue would wait forever after its run has ended.
    #[test]
    fn printing_ends_when_the_isolate_is_stopped() {
        let mut js = JsRuntime::new(RuntimeOptions::default());
        let termination = Termination::new(js.v8_isolate().thread_safe_handle(), |_| ());
        let state = js.op_state();
        assert!(!is_stopped(&state.borrow()));
        state.borrow_mut().put(termination.clone());
        assert!(!is_stopped(&state.borrow()));
        termination.terminate(Stopped::Asked);
        assert!(is_stopped(&state.borrow()));
        termination.finish();
    }

    #[test]
    fn unreviewed_properties_are_removed() {
        let brought = "const hosts = { fresh: [Array.prototype, Math, globalThis, Map.prototype.get, Reflect],
                 'at concat': [Array.prototype], '': [Array.prototype, Math], '@@iterator': [Array.prototype] };
             for (const [name, owners] of Object.entries(hosts)) for (const owner of owners) owner[name] = {};
             const symbol = Symbol('fresh'); globalThis[symbol] = Object.getPrototypeOf([].values())[symbol] = 1;";
        let script = "const names = ['fresh', 'at concat', '', '@@iterator'];
             [Array.prototype, Math, Map.prototype.get, Reflect].flatMap((owner) => names.filter((name) => name in owner)).join()
               + ('fresh' in globalThis) + Object.getOwnPropertySymbols(globalThis).map(String)
               + Object.getOwnPropertySymbols(Object.getPrototypeOf([].values())).map(String)";
        assert_eq!(
            locked_after(brought, "", script).unwrap(),
            "falseSymbol(Symbol.toStringTag)"
        );
        // The same script detects properties that exist.
        let listed = "typeof [].at + typeof Math.abs + typeof Reflect.get";
        assert_eq!(
            locked_after(brought, "", listed).unwrap(),
            "functionfunctionfunction"
        );
    }

    /// RUN-74: objects that V8 adds to a restored realm are treated like those that existed before.
    #[test]
    fn properties_of_a_restored_realm_are_reviewed() {
        let late = "for (const owner of [Map.prototype, Math, globalThis]) owner.fresh = {};";
        let script = "[Map.prototype, Math, globalThis].map((owner) => ('fresh' in owner) + ' ' + Object.isFrozen(owner)).join()";
        assert_eq!(
            locked_after("", late, script).unwrap(),
            "false true,false true,false true"
        );
        // Reviewed properties cannot be replaced or deleted.
        for replaced in [
            "Math.sign = () => 2",
            "delete Math.sign",
            "Math = {}",
            "Map.prototype.get = () => 2",
        ] {
            let error = locked_after("", &format!("'use strict'; {replaced};"), "1").unwrap_err();
            assert!(error.to_string().contains("TypeError: "), "{replaced}: {error}");
        }
        // Objects to which V8 adds nothing are already closed.
        let error = locked_after("", "'use strict'; Array.prototype.fresh = {};", "1").unwrap_err();
        assert!(error.to_string().contains("not extensible"), "{error}");
    }

    #[test]
    fn a_property_that_cannot_be_removed_prevents_locking() {
        for (brought, named) in [
            (
                "Object.defineProperty(Map, 'fresh', { value: 1 })",
                "fresh of Map ",
            ),
            (
                "Object.defineProperty(globalThis, 'fresh', { value: 1 })",
                "fresh of the global object ",
            ),
        ] {
            let error = locked_after(brought, "", "1").unwrap_err().to_string();
            assert!(
                error.contains(named) && error.contains("is not permitted"),
                "{error}"
            );
        }
    }
}
