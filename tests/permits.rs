//! The permit list. On each engine, a guest can reach only reviewed objects, and all of them are frozen.

use std::collections::{BTreeMap, BTreeSet};

use secure_runtime::Exit;

use crate::support::{Scene, Server, grant_table, manifest};

/// Returns the lines that permits/walk.js prints. It runs in a package with objects of every kind.
fn walked() -> Vec<String> {
    let server = Server::start();
    let origin = server.origin();
    let grants = [
        "fs.read=./data/**",
        "fs.write=./data/**",
        "net.connect=http://127.0.0.1:1-65535",
        "http.listen=127.0.0.1:0",
        "secrets.send=API@http://127.0.0.1:9",
        "secrets.key=API@HMAC-SHA-256",
        "log=true",
        "net.listen=tcp://127.0.0.1:0",
        "net.listen=udp://127.0.0.1:0",
        "net.connect=tcp://127.0.0.1:1-65535",
        "net.connect=udp://127.0.0.1:1-65535",
        "net.resolve=localhost",
        "env.read=NAME",
        "clock=1ms",
        "random=true",
        "kv.read=*",
        "kv.write=*",
        "module.import=walker/**",
    ];
    let rest = format!(
        "[imports]\nwalker = \"./walker/\"\n[packages.walker.grants]\n{}",
        grant_table(&grants)
    );
    let main = format!(
        "import walk from \"walker\"; await walk(globalThis, {{ folder: \"data\", server: \"{origin}\" }});"
    );
    let scene = Scene::new()
        .file("secure.toml", manifest(&grants, &rest))
        .file("data/.keep", "")
        .file("main.js", main)
        .file(
            "walker/package.json",
            r#"{ "name": "walker", "type": "module", "main": "index.js" }"#,
        )
        .file("walker/index.js", include_str!("permits/walk.js"))
        .file("walker/namespace.js", "export const a = 1; export default 2;")
        .file("walker/data.json", "{ \"a\": [1] }");
    let scene = if cfg!(feature = "v8") {
        let module = wat::parse_str(
            "(module (memory (export \"memory\") 1) (table (export \"table\") 1 funcref)
               (func (export \"trap\") unreachable))",
        );
        scene.file("walker/module.wasm", module.unwrap()).file(
            "walker/wasm.js",
            "import * as wasm from \"./module.wasm\"; export { wasm };",
        )
    } else {
        scene.file("walker/wasm.js", "export const wasm = undefined;")
    };
    let ran = scene.run(&[]);
    assert!(matches!(ran.exit, Ok(Exit::Completed)), "{:?}", ran.exit);
    let lines = ran.out.lines();
    lines
        .map(|line| line.trim_start_matches("[walker/index.js] ").to_owned())
        .collect()
}

/// Names of properties by object, in the form of the walk and the lists.
type Properties = BTreeMap<String, BTreeSet<String>>;

/// Reads the lists in a text in the form of engine/src/realm/permits.js, without those for the other engine.
fn listed(text: &str, into: &mut Properties) {
    let engine = if cfg!(feature = "v8") {
        "v8: `"
    } else {
        "quickjs: `"
    };
    let mut is_for_us = false;
    let mut path = String::new();
    for line in text.lines() {
        match line {
            "both: `" => is_for_us = true,
            line if line.ends_with(": `") => is_for_us = line == engine,
            "`," => is_for_us = false,
            line if is_for_us && !line.starts_with('#') => {
                for word in line.split_whitespace() {
                    match word.strip_suffix(':') {
                        Some(next) => {
                            path = next.to_owned();
                            into.entry(path.clone()).or_default();
                        }
                        None => assert!(
                            into.get_mut(&path).unwrap().insert(word.to_owned()),
                            "{path}: {word} is listed twice"
                        ),
                    }
                }
            }
            _ => {}
        }
    }
}

/// RUN-1, RUN-2, RUN-74: each object that a guest reaches is listed and frozen, and each listed object exists. If an
/// engine upgrade adds an object that lockdown does not remove, this test fails and prints the path to it.
#[test]
fn guests_reach_only_reviewed_properties() {
    let mut list = Properties::new();
    listed(include_str!("../engine/src/realm/permits.js"), &mut list);
    listed(include_str!("permits/made.txt"), &mut list);
    assert!(list.len() > 200, "{}", list.len());
    // Classes of errors that this test cannot provoke. One loop creates them together with the others.
    let system =
        "PermissionDenied InvalidData TimedOut FilesystemLoop NotSupported Busy StorageFull IsolateError";
    for kind in system.split(' ') {
        assert!(list.remove(&format!("%{kind}%")).is_some(), "{kind}");
        assert!(list.remove(&format!("%{kind}%.prototype")).is_some(), "{kind}");
    }
    // This error ends the program before the walk.
    list.retain(|path, _| !path.starts_with("%WebAssembly.LinkError%"));
    let mut faults: Vec<String> = Vec::new();
    let mut count = 0;
    for line in walked() {
        let Some((path, names)) = line
            .split_once(": ")
            .or(line.strip_suffix(':').map(|path| (path, "")))
        else {
            faults.push(line);
            continue;
        };
        let names: BTreeSet<String> = names.split_whitespace().map(str::to_owned).collect();
        count += names.len();
        let Some(permitted) = list.remove(path) else {
            faults.push(format!("{path} is not listed: {names:?}"));
            continue;
        };
        faults.extend(
            names
                .difference(&permitted)
                .map(|name| format!("{path}: {name} is not listed")),
        );
        faults.extend(
            permitted
                .difference(&names)
                .map(|name| format!("{path}: {name} is listed and not there")),
        );
    }
    faults.extend(list.keys().map(|path| format!("{path} is listed and not there")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 1_200, "only {count} properties were walked");
}
