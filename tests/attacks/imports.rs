//! Modules that try to be loaded from another place, as another kind, or before their rights are determined.

use secure_runtime::Exit;
use secure_runtime_loaders::{Graph, Module, ModuleKind, Package, read_lock, write_lock};

use crate::support::{Scene, manifest};

/// Creates a program whose package `suspect` has these files, and a file that it must not get. All evaluated code
/// prints.
fn scene(files: &[(&str, &str)]) -> Scene {
    let packages =
        "[imports]\nsuspect = \"./suspect/\"\n\"#own\" = \"./secret.js\"\n[packages.suspect]\ngrants = {}\n";
    let mut scene = Scene::new()
        .file("secure.toml", manifest(&["fs.read=./**"], packages))
        .file(
            "main.js",
            "import \"suspect\"; console.log(\"main was evaluated\");",
        )
        .file(
            "secret.js",
            "console.log(\"the secret was evaluated\"); export {};",
        )
        .file("secret.json", "{}");
    for (path, content) in files {
        scene = scene.file(path, content);
    }
    scene
}

/// Checks that the program is refused and that none of its code was evaluated.
#[track_caller]
fn refused(what: &str, scene: &Scene) {
    let ran = scene.run(&[]);
    assert!(!matches!(ran.exit, Ok(Exit::Completed)), "{what}: {ran:#?}");
    assert_eq!((ran.out.as_str(), ran.audit.as_slice()), ("", &[][..]), "{what}");
}

#[test]
fn a02_an_import_outside_the_package_is_refused_before_anything_runs() {
    let specifiers = [
        "../secret.js",
        "./../secret.js",
        "./x/../../secret.js",
        "./%2e%2e/secret.js",
        "./..%2fsecret.js",
        "./.%2e/secret.js",
        "..\\\\secret.js",
        "/secret.js",
        "/etc/passwd",
        "app:/secret.js",
        "package:/other/index.js",
        "file:///etc/passwd",
        "#own",
        "ext:core/mod.js",
        "ext:core/ops",
        "node:fs",
        "fs",
        "std",
        "data:text/javascript,console.log(1)",
        "blob:null/1",
        "http://127.0.0.1:9/x.js",
        "https://example.com/x.js",
        "cap:self/0",
        "cap:self/1",
        "cap:bindings/0",
        "cap:value/cap:self/0",
        "cap:other",
        "CAP:SELF",
        "",
        "./missing.js",
        "./",
        ".",
        "..",
    ];
    for specifier in specifiers {
        for import in [
            format!("import \"{specifier}\";"),
            format!("import * as x from \"{specifier}\"; console.log(x);"),
            format!("export * from \"{specifier}\";"),
            format!(
                "console.log(\"suspect\"); import \"./deep.js\"; export {{ default }} from \"{specifier}\";"
            ),
        ] {
            let scene = scene(&[
                ("suspect/index.js", &import),
                ("suspect/deep.js", "console.log(\"deep\"); export {};"),
            ]);
            refused(&import, &scene);
        }
    }
    // The control: the package's own modules are loaded.
    let ran = scene(&[
        ("suspect/index.js", "import \"./deep.js\"; import \"cap:self\";"),
        ("suspect/deep.js", "console.log(\"deep\"); export {};"),
    ])
    .run(&[])
    .completed();
    assert!(ran.out.ends_with("main was evaluated\n"), "{ran:#?}");
}

/// A module can give its code the script name of the evaluating script. The importer is still the module.
#[test]
fn a02_a_name_for_debuggers_is_no_other_importer() {
    for name in ["ext:secure_runtime/lockdown.js", "."] {
        let main = format!(
            "const tell = async (name) => console.log(await import(name).then((it) => it.answer, (error) => error.name));
            await tell('./locked.js'); await tell('cap:evaluation/0'); await tell('cap:evaluation/1');
            export const load = () => import('./locked.js');
            //# sourceURL={name}"
        );
        let scene = Scene::of_main(&[], &main).file("locked.js", "export const answer = 42;");
        assert_eq!(
            scene.run(&[]).completed().out,
            "42\nTypeError\nTypeError\n",
            "{name}"
        );
    }
}

#[test]
fn a02_import_attributes_do_not_change_the_kind_of_a_module() {
    for attributes in [
        "{ type: \"secure-runtime\" }",
        "{ type: \"text\" }",
        "{ type: \"bytes\" }",
        "{ type: \"css\" }",
        "{ type: \"json\", type2: \"x\" }",
        "{ kind: \"json\" }",
    ] {
        for specifier in [
            "cap:self",
            "cap:bindings",
            "cap:value/cap:self/1",
            "./data.json",
            "./deep.js",
        ] {
            // A package may import its own files as text or bytes.
            if specifier.starts_with("./") && (attributes.contains("text") || attributes.contains("bytes")) {
                continue;
            }
            let import = format!("import value from \"{specifier}\" with {attributes}; console.log(value);");
            let scene = scene(&[
                ("suspect/index.js", &import),
                ("suspect/deep.js", "export default 1;"),
                ("suspect/data.json", "{}"),
            ]);
            refused(&import, &scene);
        }
    }
    // Without an attribute, a package's JSON is still JSON (GRAPH-77), so code in it is not evaluated.
    for (import, data) in [
        (
            "import value from \"./deep.js\" with { type: \"json\" }; console.log(value);",
            "{}",
        ),
        (
            "import value from \"./data.json\"; console.log(value);",
            "console.log('evaluated')",
        ),
        (
            "import value from \"./data.json\"; console.log(value);",
            "export default 1",
        ),
    ] {
        let scene = scene(&[
            ("suspect/index.js", import),
            ("suspect/deep.js", "export default 1;"),
            ("suspect/data.json", data),
        ]);
        refused(import, &scene);
    }
}

#[test]
fn a73_a_package_cannot_name_files_outside_its_folder() {
    let fields = [
        r#"{ "main": "../secret.js" }"#,
        r#"{ "main": "./../secret.js" }"#,
        r#"{ "main": "/etc/passwd" }"#,
        r#"{ "main": "../secret.json" }"#,
        r#"{ "exports": "../secret.js" }"#,
        r#"{ "exports": "./../secret.js" }"#,
        r#"{ "exports": "./x/../../secret.js" }"#,
        r#"{ "exports": "./%2e%2e/secret.js" }"#,
        r#"{ "exports": "/etc/passwd" }"#,
        r#"{ "exports": "file:///etc/passwd" }"#,
        r#"{ "exports": { ".": { "import": "../secret.js" } } }"#,
        r#"{ "exports": { ".": ["../secret.js", "./../secret.js"] } }"#,
        r#"{ "exports": "./node_modules/../../secret.js" }"#,
        r#"{ "exports": "app:/secret.js" }"#,
        r##"{ "exports": "#own" }"##,
        r#"{ "type": "commonjs", "main": "../secret.js" }"#,
    ];
    for field in fields {
        refused(field, &scene(&[("suspect/package.json", field)]));
    }
    let ran = scene(&[
        ("suspect/package.json", r#"{ "exports": "./lib/x.js" }"#),
        ("suspect/lib/x.js", "export {};"),
    ])
    .run(&[])
    .completed();
    assert_eq!(ran.out, "main was evaluated\n");
}

#[test]
fn a73_a_link_in_a_package_does_not_bring_files_from_outside() {
    for (link, target) in [
        ("suspect/index.js", "../secret.js"),
        ("suspect/index.js", "/etc/passwd"),
        ("suspect/lib", ".."),
        ("suspect/lib", "${base}"),
    ] {
        let mut scene = scene(&[]);
        if link != "suspect/index.js" {
            scene = scene.file("suspect/index.js", "import \"./lib/secret.js\";");
        }
        refused(link, &scene.link(link, target));
    }
}

#[test]
fn a69_one_wrong_module_prevents_all_evaluation() {
    for (what, last) in [
        ("an import that is missing", "import \"./missing.js\";"),
        ("a syntax error", "export default }{;"),
        (
            "an export that is missing",
            "import { missing } from \"./first.js\";",
        ),
    ] {
        let ran = scene(&[
            ("suspect/index.js", "import \"./first.js\"; import \"./last.js\";"),
            (
                "suspect/first.js",
                "console.log(\"first was evaluated\"); export {};",
            ),
            ("suspect/last.js", last),
        ])
        .run(&[]);
        assert!(!matches!(ran.exit, Ok(Exit::Completed)), "{what}: {ran:#?}");
        assert_eq!(ran.out, "", "{what}");
    }
}

#[test]
fn a04_names_that_a_url_would_make_equal_are_two_modules_or_none() {
    // A URL parser removes tabs, line feeds, and white space at the ends.
    for twin in [
        "x.js ",
        "x.js\t",
        "x\t.js",
        "x\n.js",
        "x.js\r",
        " x.js",
        "x.js\u{1f}",
        "X.js",
        "./x.js",
        "x\u{301}.js",
    ] {
        let import = serde_json::to_string(&format!("./{twin}")).unwrap();
        let ran = scene(&[
            (
                "suspect/index.js",
                &format!("import {{ name as x }} from \"./x.js\"; import {{ name as twin }} from {import}; console.log(x, twin);"),
            ),
            ("suspect/x.js", "export const name = \"x\";"),
            (&format!("suspect/{twin}"), "export const name = \"twin\";"),
        ])
        .run(&[]);
        match &ran.exit {
            Err(_) => assert_eq!(ran.out, "", "{twin:?}"),
            // `./x.js` is one file. Every other name is another file.
            Ok(_) if twin == "./x.js" => assert!(ran.out.contains("twin twin"), "{twin:?}: {ran:#?}"),
            Ok(_) => assert!(ran.out.contains("x twin"), "{twin:?}: {ran:#?}"),
        }
    }
}

#[test]
fn a77_the_manifest_cannot_give_a_package_other_files_than_were_locked() {
    let scene = scene(&[("suspect/index.js", "console.log(\"locked\"); export {};")])
        .file("evil/index.js", "console.log(\"evil was evaluated\"); export {};");
    let locked = std::process::Command::new(env!("CARGO_BIN_EXE_secure-runtime"))
        .arg("lock")
        .arg(scene.base())
        .env("SECURE_RUNTIME_STORE", scene.base().join("../store"))
        .output()
        .unwrap();
    assert!(locked.status.success(), "{locked:?}");
    assert!(scene.run(&[]).completed().out.contains("locked"));

    let manifest = scene.read("secure.toml");
    for (what, changed) in [
        ("another folder", manifest.replace("./suspect/", "./evil/")),
        ("another entry", manifest.replace("main.js", "secret.js")),
        (
            "more for a package",
            manifest.replace("grants = {}", "grants = { fs.read = [\"./**\"] }"),
        ),
        ("more for the program", manifest.replace("./**", "/**")),
        (
            "a key twice",
            format!("{manifest}\n[packages.suspect]\ngrants = {{}}\n"),
        ),
        ("an unknown key", format!("{manifest}\n[unsafe]\nx = 1\n")),
    ] {
        let scene = Scene::copy(&scene).file("secure.toml", changed);
        refused(what, &scene);
    }
    let fewer = Scene::copy(&scene).file("secure.toml", manifest.replace("./**", "./data/**"));
    assert!(fewer.run(&[]).completed().out.contains("locked"));
}

/// RUN-47, A75: compiled code is not stored, so it cannot be replaced.
#[test]
fn a75_no_compiled_code_is_kept() {
    let scene = Scene::new()
        .file("secure.toml", manifest(&[], ""))
        .file("main.js", "console.log(1)");
    let home = scene.base().parent().unwrap().join("home");
    std::fs::create_dir(&home).unwrap();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_secure-runtime"))
        .args(["run"])
        .current_dir(scene.base())
        .env_clear()
        .env("HOME", &home)
        .env(
            "SECURE_RUNTIME_STORE",
            scene.base().parent().unwrap().join("store"),
        )
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "1\n", "{ran:?}");
    let kept: Vec<_> = std::fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(kept.is_empty(), "{kept:?}");
}

/// A lock from another author is checked against the files beside it. Files that it omits are not loaded, and a wrong
/// kind is refused. Grants that the manifest does not contain have no effect.
#[test]
fn a_lock_by_another_author_gives_no_more_rights() {
    let tries = "import { fs } from \"cap:self\";\n\
        import data from \"./data.json\" with { type: \"json\" };\n\
        import { first } from \"./first.js\";\n\
        const read = await fs.readTextFile(\"secret.json\").then(() => \"read\", (error) => error.name);\n\
        console.log(data.kind, first, read);\n";
    let scene = scene(&[
        ("suspect/index.js", tries),
        ("suspect/first.js", "export const first = \"first\";"),
        ("suspect/data.json", "{ \"kind\": \"json\" }"),
    ]);
    let locked = std::process::Command::new(env!("CARGO_BIN_EXE_secure-runtime"))
        .arg("lock")
        .arg(scene.base())
        .env("SECURE_RUNTIME_STORE", scene.base().join("../store"))
        .output()
        .unwrap();
    assert!(locked.status.success(), "{locked:?}");
    let path = scene.base().join("secure.lock");
    let graph = read_lock(&path).unwrap();
    let write = |change: &dyn Fn(&mut Vec<Package>, &mut Vec<Module>)| {
        let (mut packages, mut modules) = (graph.packages().to_vec(), graph.modules().to_vec());
        change(&mut packages, &mut modules);
        write_lock(&path, &Graph::new(graph.entry(), packages, modules).unwrap()).unwrap();
    };
    let find = |modules: &[Module], end: &str| {
        let found = modules.iter().position(|module| module.name.ends_with(end));
        found.unwrap()
    };
    // The control: the unchanged lock, written in the same way.
    write(&|_, _| ());
    let right = "[suspect/index.js] json first CapabilityError\nmain was evaluated\n";
    assert_eq!(scene.run(&[]).completed().out, right);

    let without = |specifier: &'static str| {
        move |_: &mut Vec<Package>, modules: &mut Vec<Module>| {
            let index = find(modules, "suspect/index.js");
            assert!(modules[index].imports.remove(specifier).is_some());
        }
    };
    let of_kind = |end: &'static str, kind: ModuleKind| {
        move |_: &mut Vec<Package>, modules: &mut Vec<Module>| {
            let index = find(modules, end);
            modules[index].kind = kind;
        }
    };
    write(&without("./first.js"));
    refused("an import of JavaScript left out", &scene);
    write(&without("./data.json"));
    refused("an import of JSON left out", &scene);
    for kind in [ModuleKind::JavaScript, ModuleKind::Text, ModuleKind::Bytes] {
        write(&of_kind("data.json", kind));
        refused(kind.as_str(), &scene);
    }
    for kind in [ModuleKind::Json, ModuleKind::Text, ModuleKind::Bytes] {
        write(&of_kind("first.js", kind));
        refused(kind.as_str(), &scene);
    }

    write(&|packages, _| packages[1].grants = packages[0].grants.clone());
    let granted_by_lock_alone = scene.run(&[]).completed();
    assert_eq!(granted_by_lock_alone.out, right);
    // The control: if the manifest contains the grant as well, it takes effect.
    let manifest = scene.read("secure.toml");
    let granted = manifest.replace("grants = {}", "grants = { fs.read = [\"./**\"] }");
    let scene = scene.file("secure.toml", granted);
    assert_eq!(
        scene.run(&[]).completed().out,
        "[suspect/index.js] json first read\nmain was evaluated\n"
    );
}
