//! Errors and specifiers that the engine's bindings read without limits. None of them ends the process or shows a
//! secret of the host.

use std::process::Command;

use secure_runtime::{Engine, Exit, Limits};

use super::thrown::ends_alone;
use crate::support::Scene;

/// Errors that are hostile to deno_core, which describes uncaught errors.
const ERRORS: [&str; 7] = [
    "(() => { const keys = []; keys.length = 2 ** 32 - 1; return Object.assign(new Error('x'), { [Symbol.for('errorAdditionalPropertyKeys')]: keys }); })()",
    "Object.assign(new Error('x'), { m: 'y'.repeat(1e5), [Symbol.for('errorAdditionalPropertyKeys')]: Array(2e5).fill('m') })",
    "(() => { const error = new Error('x'); error.message = Symbol('x'); delete error.stack; return error; })()",
    "(() => { const error = new Error('x'); error.message = {}; delete error.stack; return Object.freeze(error); })()",
    "Object.defineProperty(Object.assign(new Error('x'), { stack: '' }), 'message', { get() { throw 1; } })",
    "Object.defineProperty(Object.assign(new Error('x'), { stack: 'x' }), 'name', { get() { throw 1; } })",
    "Object.setPrototypeOf(new Error('x'), new Proxy(Error.prototype, { get() { throw 1; } }))",
];

/// The variable that marks the process with the programs of [`a150_no_property_of_an_error_ends_the_process`].
const OWN: &str = "SECURE_RUNTIME_TEST_DESCRIBED";

/// RUN-87, A150. Some of these errors make the bindings panic in a function that V8 calls. A parked thread then keeps
/// the lock of Rust's panic hook, which the test harness needs at its end. So the programs run in another process,
/// which exits before that.
#[test]
fn a150_no_property_of_an_error_ends_the_process() {
    if std::env::var_os(OWN).is_some() {
        throw_them();
        println!("described: the process continues");
        std::process::exit(0);
    }
    let own = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "attacks::described::a150_no_property_of_an_error_ends_the_process",
            "--nocapture",
        ])
        .env(OWN, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&own.stdout);
    assert!(
        own.status.success() && said.contains("described: the process continues"),
        "{own:#?}"
    );
}

fn throw_them() {
    let is_failure = |exit: &Result<Exit, String>| match exit {
        Ok(exit) => matches!(exit, Exit::Uncaught(_)),
        Err(error) => error.starts_with("engine: "),
    };
    for error in ERRORS {
        for source in [
            format!("throw ({error});"),
            format!("setTimeout(() => {{ throw ({error}); }}, 1);"),
            format!("export default () => {{ throw ({error}); }}"),
        ] {
            ends_alone(&source, is_failure);
        }
        // The error is thrown in the isolate of a package, and the program continues.
        let package = format!("export const x = 1; throw ({error});");
        let ran = of_package(
            &package,
            "try { await import('suspect'); } catch { console.log('caught'); }",
        );
        assert_eq!(ran.completed().out, "caught\n", "{error}");
    }
}

/// RUN-82. deno_core defines this property on errors with other properties, such as the code. With its symbol, a guest
/// could pass a list of its own to deno_core.
#[test]
fn errors_of_operations_have_no_property_that_the_bindings_trust() {
    let source = "import { fs } from 'cap:self';
        for (const attempt of [
          () => fs.readTextFile('/etc/passwd'), () => fs.readTextFile('missing'), () => Date.now(),
        ]) {
          const error = await (async () => attempt())().catch((error) => error);
          console.log(error.name, error.code, Object.getOwnPropertySymbols(error).length, Object.keys(error).join());
        }
        console.log(Symbol.for('x') === Symbol.for('x'), Symbol.keyFor(Symbol.for('x')), Symbol.for.name, Symbol.for.length);";
    let ran = Scene::of_main(&["fs.read=./**"], source).run(&[]).completed();
    assert_eq!(
        ran.out,
        "CapabilityError denied 0 code,family,action,resource,module\n\
         NotFound ENOENT 0 code\n\
         CapabilityError denied 0 code,family,action,resource,module\n\
         true x for 1\n"
    );
}

/// RUN-82, A151.
#[test]
fn a151_no_text_shows_how_the_realm_marks_errors() {
    // A timer throws the errors here, where none of them makes the bindings panic.
    for error in ERRORS {
        let package =
            format!("export const f = () => new Promise(() => setTimeout(() => {{ throw ({error}); }}, 1));");
        let main = "import { f } from 'suspect'; console.log((await f().catch((error) => error)).message);";
        let ran = of_package(&package, main).completed();
        assert!(!ran.out.contains("mark:"), "{error}: {}", ran.out);
        let ran = Scene::of_main(&[], &format!("setTimeout(() => {{ throw ({error}); }}, 1);")).run(&[]);
        assert!(!format!("{:?}", ran.exit).contains("mark:"), "{error}: {ran:?}");
    }
}

/// RUN-82, A152.
#[test]
fn a152_a_denial_that_a_guest_changes_stays_a_denial() {
    for change in [
        "Object.defineProperty(caught, 'name', { get() { throw 1; } });",
        "Object.defineProperty(caught, 'message', { get() { throw 1; } });",
        "Object.setPrototypeOf(caught, null);",
        "Object.setPrototypeOf(caught, new Proxy(Error.prototype, { get() { throw 1; } }));",
        "void caught.stack; delete caught.stack;",
        "void caught.stack; caught.stack = 'x';",
        "caught.message = '';",
    ] {
        for rethrow in ["throw caught;", "export default () => { throw caught; };"] {
            let source = format!(
                "import {{ fs }} from 'cap:self';
                const caught = await fs.readTextFile('/etc/passwd').catch((error) => error);
                {change} {rethrow}"
            );
            let ran = Scene::of_main(&[], &source).run(&[]);
            assert!(
                matches!(ran.exit, Ok(Exit::Denied(..))),
                "{change} {rethrow}: {ran:#?}"
            );
        }
    }
}

/// RUN-86, A153: the host copies specifiers of computed imports and keeps them until the event loop runs.
#[test]
fn a153_computed_imports_take_no_memory_beyond_the_account() {
    let source = "const long = 'x'.repeat(2 ** 20);
        const shown = (error) => console.log(error.name, error.message.length < 3000);
        await import(long).catch(shown);
        try { import.meta.resolve(long); } catch (error) { shown(error); }
        const refused = new Map();
        const begun = [];
        for (let n = 0; n < 6000; n++) {
          const refuse = (error) => { refused.set(error.name, (refused.get(error.name) ?? 0) + 1); };
          begun.push(import('y'.repeat(4000)).catch(refuse));
        }
        await Promise.all(begun);
        console.log(refused.get('RangeError') > 1000, refused.get('TypeError') > 100);
        // The event loop has run: there is room again.
        console.log((await import('./other.js')).default);";
    let ran = Scene::of_main(&[], source)
        .file("other.js", "export default 'other';")
        .limits(Limits {
            heap: 64 << 20,
            ..Limits::default()
        })
        .run(&[]);
    let bounded = "TypeError true\nTypeError true\n";
    // On QuickJS, imports that have begun also fill the engine's heap, which may be full first.
    if Engine::current() == Engine::QuickJs && matches!(ran.exit, Ok(Exit::Limit(_))) {
        assert_eq!(ran.out, bounded);
        return;
    }
    assert_eq!(ran.completed().out, format!("{bounded}true true\nother\n"));
}

/// RUN-87, A155. deno_core copies the texts of an uncaught error several times. Without limits, these errors take up to
/// 2 GiB.
#[test]
fn a155_long_texts_of_uncaught_errors_are_shown_by_their_beginning() {
    let long = "'x'.repeat(2 ** 28)";
    for thrown in [
        long.to_owned(),
        format!("new Error({long})"),
        format!("Symbol({long})"),
        format!("Object.freeze(new Error({long}))"),
        format!("Object.assign(new Error('a'), {{ stack: {long} }})"),
        format!("Object.defineProperty(new Error('a'), 'name', {{ get() {{ return {long}; }} }})"),
        format!("new (class extends Error {{ get message() {{ return {long}; }} }})()"),
        format!("new Error('a', {{ cause: new Error({long}) }})"),
        format!("new Error('a', {{ cause: {long} }})"),
        format!("new AggregateError([new Error('a'), new Error({long})])"),
        // The getter of one error makes the text of another one long, which was looked at before.
        format!(
            "(() => {{ const first = new Error('a'); const second = Object.defineProperty(new Error('b'), 'message',
               {{ get() {{ first.message = {long}; return 'b'; }} }}); return new AggregateError([first, second]); }})()"
        ),
    ] {
        for source in [
            format!("throw ({thrown});"),
            format!("setTimeout(() => {{ throw ({thrown}); }}, 1);"),
            format!("Promise.reject({thrown});"),
            format!("queueMicrotask(() => {{ throw ({thrown}); }});"),
            format!("export default () => {{ throw ({thrown}); }}"),
        ] {
            let ran = Scene::of_main(&[], &source).limits(small()).run(&[]);
            // deno_core itself reads the error of a module that is being evaluated, and V8's heap has no room for its
            // text. QuickJS has no room for any such text.
            let may_be_full = source.starts_with("throw") || Engine::current() == Engine::QuickJs;
            if may_be_full && matches!(ran.exit, Ok(Exit::Limit(_))) {
                continue;
            }
            let Ok(Exit::Uncaught(error)) = &ran.exit else {
                panic!("{source}: {ran:?}");
            };
            let related = error.related.iter().map(|related| &related.error);
            let texts: usize = related.chain([error]).map(|error| error.message.len()).sum();
            assert!(texts < 200_000, "{source}: {texts}");
        }
    }
    // An ordinary error has all of its text, its frames, and its causes.
    let source = "throw new Error('y'.repeat(60_000), { cause: new Error('why') });";
    let ran = Scene::of_main(&[], source).limits(small()).run(&[]);
    let Ok(Exit::Uncaught(error)) = &ran.exit else {
        panic!("{ran:?}");
    };
    assert_eq!(error.message, format!("Error: {}", "y".repeat(60_000)));
    assert!(error.stack.contains("app:/main.js:1:"), "{error:?}");
    assert_eq!(error.related[0].error.message, "Error: why");
}

/// Limits with a heap that is much smaller than the texts.
fn small() -> Limits {
    Limits {
        heap: 64 << 20,
        ..Limits::default()
    }
}

/// Runs a program with a package that has its own isolate.
fn of_package(package: &str, main: &str) -> crate::support::Ran {
    Scene::new()
        .file(
            "secure.toml",
            "[package]\nname = \"app\"\nentry = \"./main.js\"\n[imports]\nsuspect = \"./suspect/\"\n[packages.suspect]\nisolate = true\n",
        )
        .file("suspect/package.json", "{ \"name\": \"suspect\", \"version\": \"1.0.0\", \"type\": \"module\", \"exports\": \"./index.js\" }")
        .file("suspect/index.js", package)
        .file("main.js", main)
        .run(&[])
}
