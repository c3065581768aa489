//! WebAssembly modules: RUN-50 to RUN-54. `attacks/cases/A140-webassembly-shared.js` tests that their exports are
//! frozen (RUN-97).

use crate::support::Scene;

/// Compiles the text format of a module.
fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

const ADD: &str =
    r#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#;

/// Creates a program with these grants, this text in `main.js`, and `lib/add.wasm`.
fn scene(grants: &[&str], main: &str) -> Scene {
    Scene::of_main(grants, main).file("lib/add.wasm", binary(ADD))
}

/// RUN-54: QuickJS does not run WebAssembly, and refuses the program before any code of it runs.
#[cfg(feature = "quickjs")]
#[test]
fn quickjs_refuses_webassembly() {
    let source = "console.log('evaluated');\nconst add = () => import('./lib/add.wasm');";
    let ran = scene(&["module.import=app:/lib/add.wasm"], source).run(&[]);
    let Err(said) = &ran.exit else { panic!("{ran:#?}") };
    assert!(
        said.starts_with(
            "module app:/lib/add.wasm is WebAssembly, which this build does not run: in QuickJS-ng"
        ),
        "{said}"
    );
    assert_eq!((ran.out.as_str(), ran.audit.len()), ("", 0));
    // An import as bytes is allowed, like for any file.
    let source = "import add from './lib/add.wasm' with { type: 'bytes' }; console.log(add.length);";
    let ran = scene(&[], source).run(&[]).completed();
    assert_eq!(ran.out, format!("{}\n", binary(ADD).len()));
}

#[cfg(feature = "v8")]
mod v8 {
    use std::time::Duration;

    use secure_runtime::{Exit, Limit, LimitHit, Limits, Runtime};
    use secure_runtime_loaders::{ContentHash, Graph, MemoryStore, Module, ModuleKind, Package};

    use super::*;
    use crate::support::grant_table;

    const ALL: &[&str] = &["module.import=app:/**"];

    /// RUN-50: the exports of a WebAssembly module are module exports, also with `import()`.
    #[test]
    fn exports_are_module_exports() {
        let wasm = r#"(module
            (memory (export "memory") 1)
            (table (export "table") 1 funcref) (elem (i32.const 0) $f)
            (global (export "small") i32 (i32.const 7)) (global (export "large") i64 (i64.const 8))
            (global (export "nothing") externref (ref.null extern))
            (data (i32.const 3) "x")
            (func $f (export "default") (result i32) (i32.const 42))
            (func (export "a \"b\"\u{2028}c") (result i32) (i32.const 43))
            (func (export "__proto__") (result i32) (i32.const 44)))"#;
        let main = r#"
            import f, { memory, table, small, large, nothing, "a \"b\"\u2028c" as odd, "__proto__" as p } from "./all.wasm";
            import { add } from "./lib/add.wasm";
            const all = await import("./all.wasm");
            console.log(f(), odd(), p(), table.get(0)(), table.length, small, large, nothing);
            console.log(new Uint8Array(memory.buffer)[3], memory.buffer.byteLength, memory.grow(1), memory.buffer.byteLength);
            console.log(Object.keys(all).length, all.default === f, all.memory === memory, add(2, 3));
        "#;
        let ran = scene(ALL, main)
            .file("all.wasm", binary(wasm))
            .run(&[])
            .completed();
        assert_eq!(
            ran.out,
            "42 43 44 42 1 7 8n null\n120 65536 1 131072\n8 true true 5\n"
        );
    }

    /// RUN-50: the imports of a WebAssembly module work like those of an ECMAScript module: functions, values, and
    /// exports of other WebAssembly.
    #[test]
    fn imports_work_like_those_of_modules() {
        let store = r#"(module (memory (export "memory") 1) (global (export "at") i32 (i32.const 9))
            (func (export "get") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
        let user = r##"(module
            (import "./store.wasm" "memory" (memory 1))
            (import "./store.wasm" "at" (global i32))
            (import "#env" "__proto__" (func $note (param i32)))
            (import "#env" "__proto__" (func $again (param i32)))
            (start $begin)
            (func $begin (i32.store8 (global.get 0) (i32.const 65)) (call $note (i32.const 1)) (call $again (i32.const 2))))"##;
        let main = "import './user.wasm';\nimport { get } from './store.wasm';\nconsole.log(get(9));";
        let manifest = format!(
            "[package]\nname = \"test\"\nentry = \"main.js\"\n[imports]\n\"#env\" = \"./env.js\"\n[grants]\n{}",
            grant_table(ALL)
        );
        let ran = scene(ALL, main)
            .file("secure.toml", manifest)
            .file("store.wasm", binary(store))
            .file("user.wasm", binary(user))
            .file(
                "env.js",
                "const note = (x) => console.log('noted', x); export { note as '__proto__' };",
            )
            .run(&[])
            .completed();
        assert_eq!(ran.out, "noted 1\nnoted 2\n65\n");
        let decisions: Vec<String> = ran.decisions();
        let imported = |name: &str| {
            decisions
                .iter()
                .filter(|decision| decision.contains(name))
                .count()
        };
        // One WebAssembly module imports the other, which is a decision as well.
        assert_eq!(
            (decisions.len(), imported("store.wasm"), imported("user.wasm")),
            (3, 2, 1)
        );
    }

    /// RUN-50: an import of a missing export or of the wrong kind is an error, like between ECMAScript modules.
    #[test]
    fn imports_of_missing_exports_are_errors() {
        for (import, first, error) in [
            (
                r#"(import "./env.js" "missing" (func))"#,
                "user.wasm",
                "SyntaxError: ",
            ),
            (
                r#"(import "./env.js" "value" (func))"#,
                "user.wasm",
                "LinkError: ",
            ),
            // The module with the import is evaluated before the module that it imports from, because of the cycle.
            (
                r#"(import "./env.js" "value" (global i32))"#,
                "env.js",
                "ReferenceError: ",
            ),
        ] {
            let ran = scene(ALL, &format!("console.log('evaluated'); import './{first}';"))
                .file("user.wasm", binary(&format!("(module {import})")))
                .file("env.js", "import './user.wasm'; export const value = 1;")
                .run(&[]);
            let Ok(Exit::Uncaught(uncaught)) = &ran.exit else {
                panic!("{ran:#?}")
            };
            assert!(uncaught.message.starts_with(error), "{uncaught:?}");
            assert_eq!(ran.out, "");
        }
    }

    /// RUN-51: the importing module needs a grant for it. Without one, no code of the program runs.
    #[test]
    fn the_importing_module_needs_a_grant() {
        let main = "console.log('evaluated');\nconst load = () => import('./lib/add.wasm');";
        let hash = ContentHash::of(&binary(ADD));
        let decision = |verdict: &str| [format!("{verdict} module import app:/lib/add.wasm#{hash}")];
        for grants in [
            &[][..],
            &["module.import=app:/lib/other.wasm"],
            &["module.import=app:/lib/a/**"],
        ] {
            let ran = scene(grants, main).run(&[]);
            let Ok(Exit::Denied(report, uncaught)) = &ran.exit else {
                panic!("{ran:#?}")
            };
            assert_eq!(report.module, "app:/main.js");
            assert_eq!(
                uncaught.message,
                "CapabilityError: module import \"app:/lib/add.wasm\" is not allowed in app:/main.js: no grant covers it"
            );
            assert_eq!(
                (ran.out.as_str(), ran.decisions()),
                ("", decision("denied").to_vec())
            );
        }
        let by_hash = format!("module.import={hash}");
        for grant in [
            "module.import=app:/lib/add.wasm",
            "module.import=app:/lib/**",
            &by_hash,
        ] {
            let ran = scene(&[grant], main).run(&[]).completed();
            assert_eq!(
                (ran.out.as_str(), ran.decisions()),
                ("evaluated\n", decision("allowed").to_vec())
            );
        }
    }

    /// RUN-51: the grant of the importing module counts, for a package and for a module with fewer rights than the
    /// program.
    #[test]
    fn the_grant_of_the_program_does_not_count_for_its_packages() {
        let program = |of_package: &str, of_module: &str| {
            let manifest = format!(
                "[package]\nname = \"test\"\nentry = \"main.js\"\n[imports]\np = \"./vendor/p/\"\n\
                 [grants]\nmodule.import = [\"app:/**\", \"p/**\"]\n[packages.p.grants]\n{of_package}\n\
                 [modules.\"./part.js\"]\ngrants = {{ {of_module} }}\n"
            );
            Scene::new()
                .file("secure.toml", manifest)
                .file("main.js", "import 'p';\nimport './part.js';\n")
                .file("part.js", "import './lib/add.wasm';")
                .file("lib/add.wasm", binary(ADD))
                .file(
                    "vendor/p/package.json",
                    "{\"name\":\"p\",\"type\":\"module\",\"exports\":\"./index.js\"}",
                )
                .file("vendor/p/index.js", "import './add.wasm';")
                .file("vendor/p/add.wasm", binary(ADD))
                .run(&[])
        };
        let (p, part) = (
            "module.import = [\"p/**\"]",
            "module.import = [\"app:/lib/add.wasm\"]",
        );
        assert_eq!(program(p, part).completed().audit.len(), 2);
        for (of_package, of_module, denied) in [("", part, "p/index.js"), (p, "", "app:/part.js")] {
            let ran = program(of_package, of_module);
            assert!(
                matches!(&ran.exit, Ok(Exit::Denied(report, _)) if report.module == denied),
                "{ran:#?}"
            );
        }
    }

    /// RUN-46, RUN-51: a computed import of WebAssembly is decided when it is made, like any computed import.
    #[test]
    fn computed_imports() {
        let main = "import './part.js';\nimport { load } from 'p';\nconst load_here = (name) => import(name);\n\
            console.log((await load_here('./lib/add.wasm')).add(1, 2));\n\
            console.log(await load('app:/lib/add.wasm').catch((error) => error.name));";
        let manifest = format!(
            "[package]\nname = \"test\"\nentry = \"main.js\"\n[imports]\np = \"./vendor/p.js\"\n[grants]\n{}",
            grant_table(ALL)
        );
        let ran = scene(ALL, main)
            .file("secure.toml", manifest)
            .file("part.js", "import './lib/add.wasm';")
            .file("vendor/p.js", "export const load = (name) => import(name);")
            .run(&[])
            .completed();
        assert_eq!(ran.out, "3\nTypeError\n");
        assert_eq!(ran.audit.len(), 2, "{ran:#?}");
    }

    /// RUN-52: a memory can grow to at most 2,048 pages.
    #[test]
    fn memories_are_bounded() {
        let wasm = r#"(module (memory (export "memory") 1)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
        let main = "import { memory, grow } from './grow.wasm';\n\
            let grown = 0;\n\
            while (grow(64) !== -1) grown += 64;\n\
            while (grow(1) !== -1) grown += 1;\n\
            let refused = '';\n\
            try { memory.grow(1) } catch (error) { refused = error.name }\n\
            console.log(grown + 1, memory.buffer.byteLength, grow(60000), refused);";
        let ran = scene(ALL, main)
            .file("grow.wasm", binary(wasm))
            .run(&[])
            .completed();
        assert_eq!(ran.out, "2048 134217728 -1 RangeError\n");
    }

    /// RUN-40, RUN-41: the limits of a program apply to WebAssembly code.
    #[test]
    fn limits_end_endless_loops() {
        let wasm = binary(r#"(module (func (export "f") (loop (br 0))))"#);
        let limits = Limits {
            wall: Some(Duration::from_millis(500)),
            ..Limits::default()
        };
        let ran = scene(ALL, "import { f } from './loop.wasm'; try { f() } catch {} f();")
            .file("loop.wasm", &wasm)
            .limits(limits)
            .run(&[]);
        assert!(
            matches!(
                ran.exit,
                Ok(Exit::Limit(LimitHit {
                    limit: Limit::Wall(_),
                    ..
                }))
            ),
            "{ran:#?}"
        );
    }

    /// RUN-53: a trap is an error that can be caught, including that of infinite recursion. An uncaught trap is named.
    #[test]
    fn traps() {
        let wasm = binary(
            r#"(module (func (export "trap") unreachable) (func $deep (export "deep") (call $deep)))"#,
        );
        let main = "import { trap, deep } from './trap.wasm';\n\
            for (const f of [trap, deep]) try { f() } catch (error) { console.log(error.name, error instanceof Error) }\n\
            trap();";
        let ran = scene(ALL, main).file("trap.wasm", wasm).run(&[]);
        assert!(
            matches!(&ran.exit, Ok(Exit::Uncaught(error)) if error.message == "RuntimeError: unreachable"),
            "{ran:#?}"
        );
        assert_eq!(ran.out, "RuntimeError true\nRangeError true\n");
    }

    /// RUN-50: a graph that was not locked gains nothing. Its records define the imports of a module, which can never
    /// be modules of the runtime.
    #[tokio::test]
    async fn graphs_that_were_not_locked() {
        for (wasm, problem) in [
            (
                binary(r#"(module (import "./x.js" "f" (func)))"#),
                "import \"./x.js\": not part of the locked program",
            ),
            (
                binary(r#"(module (import "cap:value/cap:wasm/0" "default" (func)))"#),
                "WebAssembly cannot hold capabilities",
            ),
            (b"\0asm\x01\0\0\0\xff".to_vec(), "byte 8: "),
            (binary("(module)"), ""),
        ] {
            let main = b"import './a.wasm';".to_vec();
            let module = |name: &str, bytes: &[u8], kind: ModuleKind, imports: &[(&str, u32)]| Module {
                name: name.to_owned(),
                package: 0,
                hash: ContentHash::of(bytes),
                size: bytes.len() as u64,
                kind,
                origin: None,
                imports: imports
                    .iter()
                    .map(|(from, to)| ((*from).to_owned(), *to))
                    .collect(),
                globals: Vec::new(),
                grants: None,
            };
            let package = Package {
                name: String::new(),
                version: None,
                grants: vec!["module.import=app:/**".to_owned()],
                ..Package::default()
            };
            let modules = vec![
                module("app:/a.wasm", &wasm, ModuleKind::Wasm, &[]),
                module("app:/main.js", &main, ModuleKind::JavaScript, &[("./a.wasm", 0)]),
            ];
            let graph = Graph::new(1, vec![package], modules).unwrap();
            let store = MemoryStore::from_iter([wasm, main]);
            let folder = tempfile::tempdir().unwrap();
            let runtime = Runtime::builder()
                .base(folder.path())
                .store(store)
                .build()
                .unwrap();
            let exit = runtime.run(&graph, &[]).await.unwrap().exit;
            match problem {
                "" => assert!(matches!(exit, Exit::Completed), "{exit:?}"),
                problem => assert!(
                    matches!(&exit, Exit::Uncaught(error) if error.message.contains(problem)),
                    "{exit:?}"
                ),
            }
        }
    }
}
