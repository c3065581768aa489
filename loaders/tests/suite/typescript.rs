//! TypeScript: spec/graph.md, "Resolution" and "Transformations".

use secure_runtime_loaders::{
    ContentHash, Graph, Layered, LoadError, LocalStore, Locked, Module, Transformation, load_modules, verify,
};

use crate::fixture::{Fixture, shape};

fn module<'a>(locked: &'a Locked, name: &str) -> (&'a Module, &'a str) {
    let modules = locked.graph.modules().iter();
    let (module, bytes) = modules
        .zip(&locked.bytes)
        .find(|(module, _)| module.name == name)
        .unwrap();
    (module, std::str::from_utf8(bytes).unwrap())
}

fn program() -> Fixture {
    Fixture::new(&[
        (
            "main.ts",
            "import { a, type A } from './lib/a.mts';\nimport type { B } from './none.ts';\nimport j from './j.js';\n\
             export default (b: B, c?: import('./no.ts').C): A => a(Math, b!, j) as A;\nif (0) await import('./d.ts' as string);\n",
        ),
        ("lib/a.mts", "export interface A { x: Date }\nexport const a: any = (x: Intl) => x;\n"),
        ("j.js", "export { default } from './d.ts'"),
        ("d.ts", "export default 1 as number"),
    ])
    .entry("main.ts")
}

/// GRAPH-33, GRAPH-60, GRAPH-64: the graph has the transformed module, its origin, and its imports and globals.
#[test]
fn the_graph_records_typescript() {
    let fixture = program();
    let locked = fixture.lock().unwrap();
    let (main, text) = module(&locked, "app:/main.ts");
    let origin = main.origin.as_ref().unwrap();
    let source = std::fs::read(fixture.path("main.ts")).unwrap();
    assert_eq!(origin.transformation, Transformation::TypeScript);
    assert_eq!(
        (origin.hash, origin.size),
        (ContentHash::of(&source), source.len() as u64)
    );
    assert_eq!(
        (main.hash, main.size),
        (ContentHash::of(text.as_bytes()), text.len() as u64)
    );
    assert_eq!(
        text,
        "import { a,        } from './lib/a.mts';\n                                   \nimport j from './j.js';\n\
         export default (b   , c                      )    => a(Math, b , j)     ;\nif (0) await import('./d.ts'          );\n"
    );
    assert_eq!(main.globals, ["Math"]);
    assert_eq!(module(&locked, "app:/lib/a.mts").0.globals, [""; 0]);
    assert_eq!(module(&locked, "app:/j.js").0.origin, None);
    let shape = shape(&locked);
    let found: Vec<_> = shape["app:/main.ts"].values().map(String::as_str).collect();
    assert_eq!(found, ["app:/d.ts", "app:/j.js", "app:/lib/a.mts"]);
    assert_eq!(shape["app:/j.js"]["./d.ts"], "app:/d.ts");
}

/// GRAPH-33: specifiers name existing files. If a compiler would have used another file, the error suggests it.
#[test]
fn specifiers_name_existing_files() {
    for (specifier, meant) in [("./a.js", "a.ts"), ("./b.mjs", "b.mts"), ("./a", "a.ts")] {
        let main = format!("import '{specifier}'");
        let fixture = Fixture::new(&[("main.js", &main), ("a.ts", ""), ("b.mts", "")]);
        let error = fixture.lock().unwrap_err().to_string();
        assert!(error.ends_with(&format!("; did you mean {meant}?")), "{error}");
    }
}

/// GRAPH-67: packages in folders of the project may contain TypeScript, and installed packages may not.
#[test]
fn packages() {
    let files = [
        ("main.js", "import 'p'"),
        ("vendor/p/package.json", r#"{"exports":"./src/index.ts"}"#),
        (
            "vendor/p/src/index.ts",
            "export default process.env.NODE_ENV as string",
        ),
        ("node_modules/p/package.json", r#"{"exports":"./src/index.ts"}"#),
        ("node_modules/p/src/index.ts", "export default 1"),
    ];
    let locked = Fixture::new(&files).import("p", "./vendor/p").lock().unwrap();
    let (index, text) = module(&locked, "p/src/index.ts");
    assert_eq!(text, "export default process.env.NODE_ENV ;        ");
    assert_eq!(index.globals, ["process"]);
    let error = Fixture::new(&files)
        .import("p", "npm:p")
        .lock()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("node_modules/p/src/index.ts is TypeScript in a node_modules folder"),
        "{error}"
    );
}

/// GRAPH-33: other file types are rejected, with advice if there is any.
#[test]
fn other_endings() {
    for (file, hint) in [
        ("a.tsx", "; JSX has to be compiled to JavaScript first"),
        ("a.cts", "; write an ECMAScript module instead (.ts or .mts)"),
        (
            "a.d.ts",
            "a.d.ts only declares types; import it with `import type`",
        ),
    ] {
        let main = format!("import './{file}'");
        let fixture = Fixture::new(&[("main.ts", &main), (file, "")]).entry("main.ts");
        let error = fixture.lock().unwrap_err().to_string();
        assert!(
            error.starts_with("main.ts:1:8: ") && error.ends_with(hint),
            "{error}"
        );
    }
}

/// GRAPH-66: a rejection states its position.
#[test]
fn rejections_have_a_position() {
    let fixture =
        Fixture::new(&[("main.ts", "export const a: A = 1;\nexport enum B { C }\n")]).entry("main.ts");
    let error = fixture.lock().unwrap_err().to_string();
    assert_eq!(
        error,
        "the entry \"main.ts\": main.ts: line 2, column 8: `enum` makes an object when the program runs, and is not \
         JavaScript; write `const NAME = { … } as const`, or a union of literals\n  export enum B { C }\n         ^"
    );
}

/// A hostile file cannot end the process through deeply nested source.
#[test]
fn deep_nesting() {
    let table = [
        ("let x: ", "Array<", "T", ">"),
        ("let x: ", "(a:", "T", ")=>b"),
        ("let x: ", "{a:", "T", "}"),
        ("type x = ", "a extends b ? c : ", "d", ""),
        ("type x = ", "`${", "d", "}`"),
        ("", "namespace A{", "", "}"),
        ("x = ", "(a: T = ", "1", ") => 1"),
        ("x = ", "<T>(a) => ", "1", ""),
        ("x", "", "", " as T"),
        ("x", "", "", "!"),
    ];
    for (before, open, middle, close) in table {
        let source = format!("{before}{}{middle}{}", open.repeat(20_000), close.repeat(20_000));
        let fixture = Fixture::new(&[("main.ts", source.as_str())]).entry("main.ts");
        // The validity does not matter here.
        let _ = fixture.lock();
    }
}

fn quiet(_: usize) {}

/// GRAPH-50, GRAPH-51, GRAPH-53, GRAPH-60: a module is loaded from a store, or made again from the project's file, and
/// is verified in both cases.
#[tokio::test]
async fn loading() {
    let fixture = program();
    let locked = fixture.lock().unwrap();
    let project = fixture.project();
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    for bytes in &locked.bytes {
        store.put(bytes).unwrap();
    }
    let local = Layered::new().with_local(store.clone());
    for (store, project) in [
        (&Layered::new(), Some(&project)),
        (&local, None),
        (&local, Some(&project)),
    ] {
        let loaded = load_modules(&locked.graph, store, project, &quiet).await.unwrap();
        assert_eq!(loaded, locked.bytes);
    }
    assert_eq!(verify(&locked.graph, None, Some(&project)).unwrap().in_project, 4);

    // A changed type is a changed source.
    let source = std::fs::read_to_string(fixture.path("main.ts")).unwrap();
    fixture.write("main.ts", &source.replace("b: B", "b: C"));
    let error = load_modules(&locked.graph, &local, Some(&project), &quiet).await;
    assert!(matches!(error.unwrap_err(), LoadError::Changed { .. }));
    fixture.write("main.ts", &source);

    // A lock that records a wrong result is detected, and so is a lock whose source has more than types.
    let mut modules = locked.graph.modules().to_vec();
    let main = modules
        .iter()
        .position(|module| module.name == "app:/main.ts")
        .unwrap();
    modules[main].hash = ContentHash::of(b"evil()");
    let forged = |modules: &[Module]| {
        Graph::new(
            locked.graph.entry(),
            locked.graph.packages().to_vec(),
            modules.to_vec(),
        )
        .unwrap()
    };
    let error = verify(&forged(&modules), None, Some(&project)).unwrap_err();
    assert!(
        matches!(&error, LoadError::Transformed { module, .. } if module == "app:/main.ts"),
        "{error}"
    );
    fixture.write("main.ts", "enum A { B }");
    let origin = modules[main].origin.as_mut().unwrap();
    (origin.hash, origin.size) = (ContentHash::of(b"enum A { B }"), 12);
    let error = verify(&forged(&modules), None, Some(&project)).unwrap_err();
    assert!(matches!(&error, LoadError::Untransformable { .. }), "{error}");
    assert!(error.is_integrity());
}
