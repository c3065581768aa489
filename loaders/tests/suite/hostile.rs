//! Files of a hostile package: any text leads to a graph or an error, never to a panic, and never to a module from
//! outside.

use proptest::prelude::*;
use secure_runtime_loaders::LockError;
use serde_json::{Value, json};

use crate::fixture::Fixture;

fn fixture(package_json: &str, specifier: &str) -> Fixture {
    let main = format!("import {};", Value::String(specifier.to_owned()));
    let fixture = Fixture::new(&[
        ("main.js", main.as_str()),
        ("../secret.js", "export default 1"),
        ("secret.js", "export default 1"),
        ("node_modules/p/package.json", package_json),
        ("node_modules/p/a.js", "export default 1"),
        ("node_modules/p/index.js", "export default 1"),
        ("node_modules/p/lib/a.js", "export default 1"),
        ("node_modules/q/index.js", "export default 1"),
    ]);
    fixture.import("p", "npm:p")
}

/// Locks the project, and checks that every module is inside its package.
fn lock(fixture: &Fixture) -> Result<(), LockError> {
    let locked = fixture.lock()?;
    for (module, source) in locked.graph.modules().iter().zip(&locked.sources) {
        let source = source
            .strip_prefix(fixture.root().canonicalize().unwrap())
            .unwrap();
        if module.package != 0 {
            assert!(source.starts_with("node_modules/p"), "{source:?}");
        }
    }
    Ok(())
}

/// An import of a package resolves to a file of the package, for every content of its package.json.
#[test]
fn package_jsons() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let nested = format!("{}\"./a.js\"{}", "{\"import\":".repeat(100), "}".repeat(100));
    let texts = [
        "",
        " ",
        "null",
        "1",
        "\"x\"",
        "[]",
        "{",
        "}",
        "{}{}",
        "{\"a\":}",
        "{'a':1}",
        "{\"name\":\"p\",}",
        "\0",
        "\u{feff}{}",
        "// {}",
        "{\"exports\":",
        "{\"exports\":\"./\u{0}a.js\"}",
        "{\"exports\":\"./a\\u0000.js\"}",
        "{\"exports\":\"./\\ud800.js\"}",
        "{\"version\":\"\\u001b[31m\"}",
        "{\"version\":{}}",
        "{\"main\":\"\\u202e\"}",
        "{\"type\":1}",
        "{\"name\":[]}",
        "{\"exports\":{\"import\":{}}}",
        "{\"exports\":[[[]]]}",
        deep.as_str(),
        nested.as_str(),
        "{\"exports\":{\".\":{\"import\":\"./a.js\"},\".\":\"./../q/index.js\"}}",
        "{\"exports\":1e999}",
        "{\"exports\":-0}",
        "{\"imports\":\"./a.js\",\"exports\":\"./a.js\"}",
    ];
    for text in texts {
        if let Err(error) = lock(&fixture(text, "p")) {
            let message = error.to_string();
            assert!(
                !message
                    .chars()
                    .any(|character| character.is_control() && character != '\n'),
                "{message:?}"
            );
            assert!(
                message.starts_with("main.js:1:8: cannot import \"p\": "),
                "{message}"
            );
        }
    }
    let targets = [
        "./a.js",
        "./lib/../a.js",
        "../q/index.js",
        "./../q/index.js",
        "./../../secret.js",
        "/etc/passwd",
        "./%2e%2e/q/index.js",
        "./..%2fq/index.js",
        "./node_modules/q/index.js",
        "file:///etc/passwd",
        "q",
        "./*",
        "./lib/",
        "./lib",
        ".",
        "",
        "./a.js?x",
        "./a.js#x",
        "./a%00.js",
        "./\u{202e}.js",
        "./a.js\n",
    ];
    for target in targets {
        for package_json in [
            json!({"exports": target}),
            json!({"exports": {".": target}}),
            json!({"exports": {"import": [target, "./none.js"]}}),
            json!({"main": target}),
            json!({"module": target}),
        ] {
            let result = lock(&fixture(&package_json.to_string(), "p"));
            // The second target is `./none.js`. If `main` is invalid, the file `index.js` is used.
            if let Err(error) = result {
                assert!(
                    matches!(error, LockError::Import { .. }),
                    "{package_json}: {error}"
                );
            }
        }
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let keys = prop_oneof![
        Just(".".to_owned()),
        Just("./a".to_owned()),
        Just("./*".to_owned()),
        Just("import".to_owned()),
        Just("default".to_owned()),
        Just("node".to_owned()),
        "[./*a0-9]{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "(\\./|\\.\\./|/)?[a-z./*%2efn\\\\]{0,12}".prop_map(Value::from),
        Just(json!("./a.js")),
        Just(json!("./lib/*.js")),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// GRAPH-34: `exports` cannot lead out of the package.
    #[test]
    fn any_exports(exports in anything(), main in anything(), subpath in "(/[a-z./*%2]{1,8})?") {
        let package_json = json!({ "exports": exports, "main": main, "imports": exports }).to_string();
        let _ = lock(&fixture(&package_json, &format!("p{subpath}")));
    }

    /// GRAPH-31: a specifier cannot lead out of the project.
    #[test]
    fn any_specifier(specifier in "(\\./|\\.\\./|/|#|p/|[a-z]+:)?(\\PC|[a-z./%25e2fFc\\\\]){0,16}") {
        let _ = lock(&fixture("{}", &specifier));
    }

    /// Any source is scanned or rejected.
    #[test]
    fn any_source(source in "(import|export|from|\\(|\\)|\\{|\\}|'\\./a\\.js'|\"|`|\\$|/|;|\\*|=|\\PC| ){0,24}") {
        let fixture = Fixture::new(&[("main.js", source.as_str()), ("a.js", "export default 1")]);
        if let Err(error) = fixture.lock() {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
