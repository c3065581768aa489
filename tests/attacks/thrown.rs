//! Thrown values. An error that ends a program ends only that program. No value that a guest throws, rejects or exports
//! breaks the host.

use secure_runtime::{Engine, Exit};

use crate::support::Scene;

/// Runs a program to its end.
#[track_caller]
fn ends(source: &str, wanted: impl Fn(&Result<Exit, String>) -> bool) {
    let ran = Scene::of_main(&[], source).run(&[]);
    assert!(wanted(&ran.exit), "{source}: {ran:#?}");
}

/// Checks that a correct program runs after others in the same process.
#[track_caller]
fn others_go_on(after: &str) {
    let healthy = Scene::of_main(&[], "console.log(1 + 1);").run(&[]).completed();
    assert_eq!(healthy.out, "2\n", "{after}");
}

/// Runs a program to its end, and a correct program after it.
#[track_caller]
pub(super) fn ends_alone(source: &str, wanted: impl Fn(&Result<Exit, String>) -> bool) {
    ends(source, wanted);
    others_go_on(source);
}

fn uncaught(exit: &Result<Exit, String>) -> bool {
    match exit {
        Ok(exit) => matches!(exit, Exit::Uncaught(_)),
        // QuickJS's bindings panic when they describe some of these values. The isolate's thread ends, and the host
        // continues.
        Err(error) => Engine::current() == Engine::QuickJs && error.starts_with("engine: "),
    }
}

#[test]
fn a30_any_value_can_be_thrown() {
    let values = [
        "undefined",
        "null",
        "1",
        "1n",
        "''",
        "'\\ud800'",
        "Symbol('x')",
        "() => {}",
        "{}",
        "[]",
        "Object.create(null)",
        "new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; }, ownKeys() { throw 3; } })",
        "Proxy.revocable({}, {}).proxy",
        "(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })()",
        "new (class extends Error { get message() { throw 1; } })()",
        "Object.defineProperty(new Error('x'), 'stack', { get() { throw 1; } })",
        "Object.defineProperty(new Error('x'), 'stack', { value: Symbol('x') })",
        "Object.defineProperty(new Error('x'), 'stack', { value: { toString() { throw 1; } } })",
        "Object.defineProperty(new Error('x'), 'name', { value: Symbol('x') })",
        "Object.defineProperty(new Error('x'), 'message', { value: 1 })",
        "Object.defineProperty(new Error('x'), 'cause', { get() { throw 1; } })",
        "(() => { const error = new Error('x'); error.cause = error; return error; })()",
        "(() => { const error = new AggregateError([]); error.errors = [error, 1, null]; return error; })()",
        "Object.assign(new AggregateError([]), { errors: { length: 2 ** 32 } })",
        "Object.setPrototypeOf(new Error('x'), null)",
        "Object.setPrototypeOf(() => {}, Error.prototype)",
        "{ name: 'CapabilityError', message: 'fs read \"x\" is not allowed', code: 'denied' }",
        "new Error('x'.repeat(1 << 20))",
        "new Error('\\u001b[2J\\r\\n\\u202e')",
    ];
    for value in values {
        for source in [
            format!("throw ({value});"),
            format!("await Promise.reject(({value}));"),
            format!("setTimeout(() => {{ throw ({value}); }}, 1);"),
            format!("Promise.reject(({value})); await new Promise((resolve) => setTimeout(resolve, 20));"),
            format!("export default function main() {{ throw ({value}); }}"),
            format!("queueMicrotask(() => {{ throw ({value}); }});"),
        ] {
            ends(&source, uncaught);
        }
        others_go_on(value);
    }
}

#[test]
fn a88_any_value_can_be_the_default_export() {
    for value in [
        "undefined",
        "null",
        "1",
        "Symbol('x')",
        "{}",
        "class {}",
        "new Proxy({}, {})",
        "new Proxy(() => {}, { apply() { throw new Error('x'); } })",
        "Object.defineProperty(() => {}, 'then', { get() { throw 1; } })",
        "function* () {}",
        "async function* () {}",
        "() => ({ then(resolve) { resolve(); resolve(); } })",
        "() => ({ then() {} })",
        "() => new Promise(() => {})",
        "({ then(resolve) { resolve(this); } })",
    ] {
        ends_alone(&format!("export default ({value});"), |exit| {
            matches!(exit, Ok(Exit::Completed | Exit::Uncaught(_)))
        });
    }
}

#[test]
fn a88_call_sites_that_a_guest_forges_end_its_program_at_most() {
    // QuickJS stores the engine's private properties under symbols that guests can name.
    for sites in [
        "[1]",
        "[null]",
        "[{}]",
        "[{ getFileName: 1 }]",
        "[{ getFileName() { throw 1; } }]",
        "1",
        "{ length: 9 }",
    ] {
        let source = format!(
            "const error = new Error('forged');
            Object.defineProperty(error, Symbol.for('v82jsc_private:deno_core::call_site_evals'), {{ value: {sites} }});
            throw error;"
        );
        ends_alone(&source, |exit| !matches!(exit, Ok(Exit::Completed)));
    }
}

#[test]
fn thrown_values_do_not_bypass_the_console() {
    // V8 itself prints an uncaught exception to standard output, without escaping.
    for thrown in [
        "Object.defineProperty(new Error('x'), 'stack', { get() { throw 'forged \\u001b[2J'; } })",
        "Object.defineProperty(new Error('x'), 'message', { get() { throw 'forged \\u001b[2J'; } })",
        "'forged \\u001b[2J'",
        "new Proxy({}, { get() { throw 'forged \\u001b[2J'; } })",
    ] {
        let scene = Scene::of_main(&[], &format!("setTimeout(() => {{}}, 1);\nthrow {thrown};"));
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_secure-runtime"))
            .arg("run")
            .arg(scene.base())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let codes: &[i32] = match Engine::current() {
            Engine::QuickJs => &[1, 70], // see `uncaught`
            _ => &[1],
        };
        assert!(
            ran.status.code().is_some_and(|code| codes.contains(&code)),
            "{thrown}: {ran:?}"
        );
        assert_eq!(text(&ran.stdout), "", "{thrown}");
        assert!(!text(&ran.stderr).contains('\u{1b}'), "{thrown}: {ran:?}");
    }
}
