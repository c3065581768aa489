//! `fetch`, `crypto`, `performance` and timers: names that every module finds, each with its own rights.

use secure_runtime::Exit;

use crate::support::{Ran, Scene, Server};

/// Creates a program whose entry imports the packages `p` and `q`. Each package has the lines of its manifest table and
/// its source.
fn scene(ceiling: &str, p: (&str, &str), q: (&str, &str), main: &str) -> Scene {
    let manifest = format!(
        "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\nq = \"./q/\"\n[grants]\n{ceiling}\n\
         [packages.p]\n{}\n[packages.q]\n{}\n",
        p.0, q.0
    );
    let package = |name: &str| format!(r#"{{ "name": "{name}", "type": "module", "main": "index.js" }}"#);
    Scene::new()
        .file("secure.toml", manifest)
        .file("main.js", main)
        .file("p/package.json", package("p"))
        .file("q/package.json", package("q"))
        .file("p/index.js", p.1)
        .file("q/index.js", q.1)
}

const ATTEMPT: &str = "const attempt = async (call) => { try { return await call(); } catch (error) { return error.name; } };\n";

fn completed(scene: &Scene) -> Ran {
    let ran = scene.run(&[]);
    assert!(
        matches!(ran.exit, Ok(Exit::Completed)),
        "{:?}\n{}",
        ran.exit,
        ran.out
    );
    ran
}

/// RUN-70: every module finds the names, as free names and, in packages, on the package's global object. Each module
/// has its own values.
#[test]
fn every_module_finds_the_names() {
    let look = "const names = ['fetch', 'crypto', 'performance'];
        export const seen = [typeof fetch, typeof crypto, typeof performance, ...names.map((name) => typeof globalThis[name])].join();
        export const same = globalThis.fetch === self.fetch && globalThis.setTimeout === setTimeout && globalThis.fetch === fetch;
        export const timeout = setTimeout;
        export const given = fetch;
        export const replaced = () => { globalThis.fetch = 1; globalThis.performance = 2; return [globalThis.fetch, performance === 2, delete globalThis.crypto, 'crypto' in globalThis].join(); };
        export const now = () => typeof globalThis.fetch;";
    let main = "import * as p from 'p'; import * as q from 'q';
        console.log(p.seen); console.log(q.seen); console.log(p.same, q.same);
        console.log(p.timeout === setTimeout, p.timeout === q.timeout, p.given === q.given, Object.isFrozen(p.given), 'prototype' in p.given);
        console.log(typeof fetch, typeof crypto, typeof performance, p.given === fetch, 'fetch' in globalThis);
        console.log(p.replaced(), p.now(), q.now());";
    let ran = completed(&scene("", ("", look), ("", look), main));
    assert_eq!(
        ran.out,
        "function,object,object,function,object,object\n\
         function,object,object,function,object,object\n\
         true true\nfalse false false true false\nfunction object object false false\n\
         1,false,true,false number function\n"
    );
}

/// RUN-70: CommonJS modules find the names as well. A module that declares such a name itself uses its own.
#[test]
fn declarations_of_a_module_take_precedence() {
    let mut scene = scene(
        "",
        ("", ""),
        (
            "",
            "const fetch = () => 'own'; function crypto() {} export { fetch, crypto };",
        ),
        "import p from 'p'; import { fetch, crypto } from 'q'; console.log(p.kinds, fetch(), typeof crypto);",
    );
    scene = scene
        .file("p/package.json", r#"{ "name": "p", "main": "index.js" }"#)
        .file(
            "p/index.js",
            "module.exports = { kinds: [typeof fetch, typeof crypto, typeof global.performance].join() };",
        );
    assert_eq!(completed(&scene).out, "function,object,object own function\n");
}

/// RUN-71: `fetch` has the rights of the module's `net`. Passing it on delegates them, like with any function.
#[test]
fn fetch_has_the_rights_of_the_module_it_was_given_to() {
    let server = Server::start();
    let origin = server.origin();
    let grants = format!("net.connect = [\"{origin}\"]");
    let source = format!(
        "{ATTEMPT}export const get = () => attempt(async () => (await fetch('{origin}/ok')).text());
         export const borrowed = (lent) => attempt(async () => (await lent('{origin}/ok')).text());
         export const lent = fetch;
         export const elsewhere = () => attempt(() => fetch('http://127.0.0.1:1/'));"
    );
    let main = "import * as p from 'p'; import * as q from 'q';
        console.log(await p.get(), await q.get(), await q.borrowed(p.lent), await p.borrowed(q.lent), await p.elsewhere());";
    let with_grants = format!("grants = {{ {grants} }}");
    let scene = scene(
        &format!("{grants}\n"),
        (&with_grants, &source),
        ("", &source),
        main,
    );
    let ran = completed(&scene);
    assert_eq!(
        ran.out,
        "hello CapabilityError hello CapabilityError CapabilityError\n"
    );
    let mut decisions: Vec<String> = ran
        .audit
        .iter()
        .map(|record| format!("{} {:?} {}", record.module, record.verdict, record.resource))
        .collect();
    // There is one decision to send, and one for each chunk of the response.
    decisions.dedup();
    assert_eq!(
        decisions,
        [
            format!("p/index.js Allowed {origin}"),
            format!("q/index.js Denied {origin}"),
            format!("p/index.js Allowed {origin}"),
            format!("q/index.js Denied {origin}"),
            "p/index.js Denied http://127.0.0.1:1".to_owned(),
        ]
    );
}

/// RUN-72: `crypto` needs the module's `random`, and checks its arguments like in the web platform.
#[test]
fn crypto_uses_the_random_of_the_module() {
    let source = format!(
        "{ATTEMPT}export const tried = async () => {{
           const filled = await attempt(() => {{
             const all = new Uint32Array(64), part = all.subarray(8, 40);
             if (crypto.getRandomValues(part) !== part) return 'another';
             return [all.subarray(0, 8).every((one) => one === 0), part.some((one) => one !== 0), all.subarray(40).every((one) => one === 0)].join();
           }});
           const uuid = await attempt(() => crypto.randomUUID());
           const refused = [];
           for (const wrong of [new Float64Array(1), [1], new DataView(new ArrayBuffer(1)), new Uint8Array(65537), new Proxy(new Uint8Array(1), {{}})]) {{
             refused.push(await attempt(() => typeof crypto.getRandomValues(wrong)));
           }}
           return [filled, uuid, ...refused, typeof crypto.subtle].join(' ');
         }};"
    );
    let main = "import * as p from 'p'; import * as q from 'q'; console.log(await p.tried()); console.log(await q.tried());";
    let scene = scene(
        "random = true\n",
        ("grants = { random = true }", &source),
        ("", &source),
        main,
    );
    let ran = completed(&scene);
    let lines: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split(' ').collect()).collect();
    let refused = [
        "TypeMismatchError",
        "TypeMismatchError",
        "TypeMismatchError",
        "QuotaExceededError",
        "TypeMismatchError",
    ];
    assert_eq!(lines[0][0], "true,true,true");
    let uuid: Vec<&str> = lines[0][1].split('-').collect();
    let lengths: Vec<usize> = uuid.iter().map(|part| part.len()).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid:?}");
    assert!(
        uuid[2].starts_with('4') && uuid[3].starts_with(['8', '9', 'a', 'b']),
        "{uuid:?}"
    );
    assert!(uuid.concat().chars().all(|digit| digit.is_ascii_hexdigit()));
    assert_eq!(lines[0][2..7], refused);
    assert_eq!(lines[1][..2], ["CapabilityError", "CapabilityError"]);
    assert_eq!(lines[1][2..7], refused);
    let subtle = if cfg!(feature = "v8") {
        "object"
    } else {
        "undefined"
    };
    assert_eq!((lines[0][7], lines[1][7]), (subtle, subtle));
}

/// RUN-72: `performance` has the resolution of the module's `clock`, and starts when it is first used.
#[test]
fn performance_uses_the_clock_of_the_module() {
    let source = format!(
        "{ATTEMPT}export const tried = async () => [
           await attempt(() => performance.now() === 0), await attempt(() => performance.timeOrigin % 1000 === 0),
           await attempt(() => performance.now() <= performance.now()), typeof performance.mark,
         ].join();"
    );
    let main = "import * as p from 'p'; import * as q from 'q'; console.log(await p.tried()); console.log(await q.tried());";
    let scene = scene(
        "clock = \"1s\"\n",
        ("grants = { clock = \"1s\" }", &source),
        ("", &source),
        main,
    );
    assert_eq!(
        completed(&scene).out,
        "true,true,true,undefined\nCapabilityError,CapabilityError,CapabilityError,undefined\n"
    );
}

/// RUN-73: timers of a package count towards its own limit.
#[test]
fn timers_count_towards_the_package() {
    let source = format!(
        "{ATTEMPT}export const set = (count) => attempt(() => {{
           const handles = [];
           try {{
             for (let at = 0; at < count; at++) handles.push(setTimeout(() => {{}}, 1e6));
             return handles.length;
           }} finally {{
             handles.forEach((handle) => clearTimeout(handle));
           }}
         }});"
    );
    let main = "import * as p from 'p'; import * as q from 'q';
        console.log(await q.set(4)); console.log(await p.set(3), await p.set(3)); console.log(await p.set(4));";
    let limits = "limits = { timers = 3 }";
    let ran = completed(&scene("", (limits, &source), ("", &source), main));
    assert_eq!(ran.out, "4\n3 3\nCapabilityError\n");
}

/// RUN-70: the names do not change positions in stack traces.
#[test]
fn names_do_not_change_positions() {
    let source =
        "/* fetch */ export const fail = () => {\n  fetch; crypto;\n    throw new Error('here');\n};";
    let main = "import { fail } from 'p'; import 'q';\nfail();";
    let stack = |source: &str| match scene("", ("", source), ("", ""), main).run(&[]).exit {
        Ok(Exit::Uncaught(error)) => error.stack,
        other => panic!("{other:?}"),
    };
    let with_names = stack(source);
    assert!(with_names.contains("at fail (p/index.js:3:11)"), "{with_names}");
    let without = source.replace("fetch; crypto;", "12345; 123456;");
    assert_eq!(with_names, stack(&without));
}

/// RUN-70: earlier manifests listed the names of a package. The error says that the line is not needed.
#[test]
fn a_list_of_names_is_an_error_of_the_manifest() {
    let error = scene("", ("globals = [\"fetch\"]", ""), ("", ""), "")
        .run(&[])
        .exit
        .unwrap_err();
    for part in [
        "unknown key \"globals\" in [packages.\"p\"]",
        "secure.toml:10:1",
        "remove the line",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
