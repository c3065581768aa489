//! WebAssembly modules: GRAPH-68 to GRAPH-71.

use secure_runtime_loaders::wasm::{self, MEMORY_PAGES};
use secure_runtime_loaders::{Layered, Locked, ModuleKind, load_modules};

use crate::fixture::{Fixture, names, shape};

/// Assembles a module from its text.
fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// Returns a project whose `main.js` imports this module as `lib/a.wasm`.
fn project(wasm: &[u8], files: &[(&str, &str)]) -> Fixture {
    let fixture = Fixture::new(&[
        ("main.js", "import { f } from './lib/a.wasm'"),
        ("lib/a.wasm", ""),
    ]);
    std::fs::write(fixture.path("lib/a.wasm"), wasm).unwrap();
    for (path, content) in files {
        fixture.write(path, content);
    }
    fixture
}

fn kinds(locked: &Locked) -> Vec<ModuleKind> {
    locked.graph.modules().iter().map(|module| module.kind).collect()
}

/// GRAPH-68, GRAPH-70: its unchanged bytes are the module, and its imports are resolved like those of JavaScript.
#[tokio::test]
async fn the_graph_records_webassembly() {
    let wasm = binary(
        r#"(module
            (import "./env.js" "log" (func (param i32)))
            (import "./env.js" "limit" (global i32))
            (import "p" "\"odd\"" (func))
            (func (export "f")))"#,
    );
    let fixture = project(
        &wasm,
        &[
            (
                "lib/env.js",
                "export const log = () => 0; export const limit = 1;",
            ),
            ("vendor/p.js", "const odd = 1; export { odd as '\"odd\"' }"),
        ],
    )
    .import("p", "./vendor/p.js");
    let locked = fixture.lock().unwrap();
    assert_eq!(
        names(&locked),
        ["app:/lib/a.wasm", "app:/lib/env.js", "app:/main.js", "p/p.js"]
    );
    assert_eq!(kinds(&locked)[0], ModuleKind::Wasm);
    assert_eq!(
        shape(&locked)["app:/lib/a.wasm"],
        [("./env.js", "app:/lib/env.js"), ("p", "p/p.js")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into()
    );
    let module = &locked.graph.modules()[0];
    assert!(module.origin.is_none() && module.globals.is_empty());
    assert_eq!(locked.bytes[0], wasm);
    let (stores, project) = (Layered::new(), fixture.project());
    let loaded = load_modules(&locked.graph, &stores, Some(&project), &|_| ()).await;
    assert_eq!(loaded.unwrap()[0], wasm);
}

/// GRAPH-68: an importer states no type for it. Imported as text or bytes, it is a file like any other.
#[test]
fn webassembly_is_imported_without_a_type() {
    let wasm = binary("(module)");
    for (main, problem) in [
        (
            "import './a.wasm' with { type: 'json' }",
            "it is imported as JSON, but is not a .json file",
        ),
        (
            "import './a.wasm' with { type: 'wasm' }",
            "the attribute type: \"wasm\" is not supported",
        ),
        (
            "import source a from './a.wasm'",
            "`import source` and `import defer`",
        ),
        (
            "import './a.wasm'; import './a.wasm' with { type: 'bytes' }",
            "imported as wasm elsewhere",
        ),
        (
            "require('./a.wasm')",
            "it is WebAssembly, which `require` cannot load",
        ),
    ] {
        let entry = if main.starts_with("require") {
            "main.cjs"
        } else {
            "main.js"
        };
        let fixture = Fixture::new(&[(entry, main), ("a.wasm", "")]).entry(entry);
        std::fs::write(fixture.path("a.wasm"), &wasm).unwrap();
        let error = fixture.lock().unwrap_err().to_string();
        assert!(error.contains(problem), "{main}: {error}");
    }
    for (main, kind) in [
        (
            "import a from './a.wasm' with { type: 'bytes' }",
            ModuleKind::Bytes,
        ),
        ("import * as a from './a.wasm'", ModuleKind::Wasm),
        ("await import('./a.wasm')", ModuleKind::Wasm),
    ] {
        let fixture = Fixture::new(&[("main.js", main), ("a.wasm", "")]);
        std::fs::write(fixture.path("a.wasm"), &wasm).unwrap();
        assert_eq!(kinds(&fixture.lock().unwrap())[0], kind, "{main}");
    }
    let entry = Fixture::new(&[("a.wasm", "")]).entry("a.wasm");
    assert_eq!(
        entry.lock().unwrap_err().to_string(),
        "the entry \"a.wasm\": it is WebAssembly; write a JavaScript module that imports it"
    );
}

/// GRAPH-70: an import that cannot be resolved is rejected with its byte position.
#[test]
fn unresolved_imports() {
    for (from, problem) in [
        ("env", "the manifest does not import it"),
        ("node:fs", "Node's modules do not exist here"),
        ("./none.js", "there is no file lib/none.js"),
        ("./data.json", "it is JSON; add"),
        ("../../x.js", "it leads out of the folder"),
    ] {
        let wasm = binary(&format!("(module (import \"{from}\" \"f\" (func)))"));
        let fixture = project(&wasm, &[("lib/data.json", "{}")]);
        let error = fixture.lock().unwrap_err().to_string();
        assert!(
            error.starts_with("lib/a.wasm:1:") && error.contains(problem),
            "{from}: {error}"
        );
    }
}

/// GRAPH-69, GRAPH-71: an invalid module or an unsupported feature is rejected with its position.
#[test]
fn refused() {
    let cut = |text: &str, length: usize| binary(text)[..length].to_vec();
    let huge = MEMORY_PAGES + 1;
    let table: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "byte 0: "),
        (b"export const a = 1".to_vec(), "byte 0: "),
        (cut("(module (func (export \"f\")))", 20), "unexpected end"),
        (b"\0asm\x0d\0\x01\0".to_vec(), "component"),
        // The body leaves an i64 where the type requires an i32. The wat crate does not validate.
        (
            binary("(module (func (result i32) (i64.const 1)))"),
            "type mismatch",
        ),
        (
            binary(&format!("(module (memory {huge}))")),
            "begins with 2049 pages; at most 2048",
        ),
        (
            binary(&format!("(module (import \"./m.js\" \"m\" (memory {huge})))")),
            "begins with 2049 pages",
        ),
        (binary("(module (memory 70000))"), "memory size"),
        (
            binary("(module (table 1000001 funcref))"),
            "begins with 1000001 elements",
        ),
        (binary("(module (memory 1 1 shared))"), "threads"),
        (binary("(module (memory i64 1))"), "memory64"),
        (binary("(module (memory 1) (memory 1))"), "multi"),
        (binary("(module (tag))"), "exceptions"),
        (binary("(module (func (return_call 0)))"), "tail calls"),
        (
            binary("(module (global (export \"g\") (mut i32) (i32.const 0)))"),
            "a global that can change is exported",
        ),
        (
            binary("(module (global (export \"g\") v128 (v128.const i64x2 0 0)))"),
            "v128",
        ),
        (
            binary("(module (func (export \"wasm:f\")))"),
            "reserved by the standard",
        ),
        (
            binary("(module (import \"wasm:js-string\" \"length\" (func)))"),
            "reserved by the standard",
        ),
        (
            binary("(module (import \"cap:self\" \"fs\" (func)))"),
            "WebAssembly cannot hold capabilities",
        ),
        (
            binary("(module (func) (export \"f\" (func 0)) (export \"f\" (func 0)))"),
            "duplicate export name",
        ),
    ];
    for (bytes, problem) in table {
        let error = project(&bytes, &[("lib/m.js", "")])
            .lock()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("lib/a.wasm is not a WebAssembly module that runs here: byte ")
                && error.contains(problem),
            "{problem}: {error}"
        );
    }
    // The largest allowed sizes.
    let largest = format!("(module (memory {MEMORY_PAGES}) (table 1000000 funcref) (func (export \"f\")))");
    project(&binary(&largest), &[]).lock().unwrap();
}

/// GRAPH-69: no bytes make the parser panic. The test uses each prefix of a module, and the module with each byte
/// changed.
#[test]
fn damage() {
    let module = binary(
        r#"(module (import "./a.js" "g" (global i32))
            (memory (export "m") 1) (table 1 funcref) (elem (i32.const 0) $f) (global (export "h") i64 (i64.const 1)) (data (i32.const 0) "x")
            (func $f (export "f") (param i32) (result i32) (i32.add (local.get 0) (global.get 0))))"#,
    );
    let found = wasm::interface(&module).unwrap();
    let exports: Vec<(&str, bool)> = found
        .exports
        .iter()
        .map(|export| (export.name.as_str(), export.is_global))
        .collect();
    assert_eq!(exports, [("m", false), ("h", true), ("f", false)]);
    let mut refused = 0;
    for length in 0..module.len() {
        refused += usize::from(wasm::interface(&module[..length]).is_err());
        for bit in 0..8 {
            let mut damaged = module.clone();
            damaged[length] ^= 1 << bit;
            let _ = wasm::interface(&damaged);
        }
    }
    // A truncation at the end of a section may be a valid module.
    assert!(refused > module.len() - 16, "{refused} of {}", module.len());
}

/// RUN-52: the engine gets each memory with a maximum within the limit, and everything else unchanged.
#[test]
fn memories_have_a_maximum() {
    let module = |memory: &str| {
        let text = format!(
            "(module (import \"./a.js\" \"f\" (func)) {memory} (func (export \"g\") (result i32) (i32.const 7)) (data (i32.const 0) \"x\"))"
        );
        wat::parse_str(text).unwrap()
    };
    for (given, limited) in [
        ("(memory 1)", format!("(memory 1 {MEMORY_PAGES})")),
        ("(memory 3 65536)", format!("(memory 3 {MEMORY_PAGES})")),
        ("(memory 3 200)", "(memory 3 200)".to_owned()),
    ] {
        assert_eq!(
            wasm::for_engine(&module(given)).unwrap().bytes,
            module(&limited),
            "{given}"
        );
    }
    let without = wat::parse_str("(module (func (export \"g\")))").unwrap();
    assert_eq!(wasm::for_engine(&without).unwrap().bytes, without);
    assert!(wasm::for_engine(&without[..without.len() - 1]).is_err());
}

/// RUN-97: if functions are passed as values, the engine gets a module that exports all of them. The start function
/// becomes an export too, which the host calls.
#[test]
fn functions_that_can_be_passed_are_exported() {
    let text = |exports: &str, start: &str| {
        format!(
            "(module (import \"./a.js\" \"f\" (func (param funcref))) (func $a) (func $b (call 0 (ref.func $a))) (func $c)
               (global funcref (ref.func $c)) {exports} {start} (elem declare func $a))"
        )
    };
    let given = wat::parse_str(text("(export \"-x\" (func $c))", "(start $b)")).unwrap();
    let made = wasm::for_engine(&given).unwrap();
    let expected = text(
        "(export \"-x\" (func $c)) (export \"--1\" (func $a)) (export \"--3\" (func $c)) (export \"--start\" (func $b))",
        "",
    );
    assert_eq!(made.bytes, wat::parse_str(expected).unwrap());
    assert_eq!(made.start.as_deref(), Some("--start"));

    let made = wasm::for_engine(&wat::parse_str(text("", "")).unwrap()).unwrap();
    let expected = text("(export \"-1\" (func $a)) (export \"-3\" (func $c))", "");
    assert_eq!(
        (made.bytes, made.start),
        (wat::parse_str(expected).unwrap(), None)
    );

    let unpassed =
        wat::parse_str("(module (table 1 funcref) (elem (i32.const 0) $a) (func $a) (start $a))").unwrap();
    let made = wasm::for_engine(&unpassed).unwrap();
    assert_eq!((made.bytes, made.start), (unpassed, None));
}
