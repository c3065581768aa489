//! The graph's bytes: spec/graph.md, "Bytes" and "Rules", and its vectors.

use std::collections::BTreeMap;

use proptest::prelude::*;
use secure_runtime_loaders::{
    ContentHash, Graph, GraphError, Module, ModuleKind, Origin, Package, Transformation,
};
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/graph.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(vector: &Value) -> Vec<u8> {
    hex::decode(vector["bytes"].as_str().unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn package(value: &Value) -> Package {
    Package {
        name: value["name"].as_str().unwrap().to_owned(),
        version: value
            .get("version")
            .map(|version| version.as_str().unwrap().to_owned()),
        grants: texts(&value["grants"]),
        globals: value.get("globals").map(texts).unwrap_or_default(),
        isolate: value.get("isolate").is_some(),
        bounds: value.get("bounds").map(texts).unwrap_or_default(),
    }
}

fn module(value: &Value) -> Module {
    let imports = value["imports"].as_object().unwrap();
    Module {
        name: value["name"].as_str().unwrap().to_owned(),
        package: number(&value["package"]),
        hash: value["hash"].as_str().unwrap().parse().unwrap(),
        size: value["size"].as_u64().unwrap(),
        kind: match value["kind"].as_str().unwrap() {
            "javascript" => ModuleKind::JavaScript,
            "json" => ModuleKind::Json,
            "text" => ModuleKind::Text,
            "bytes" => ModuleKind::Bytes,
            "wasm" => ModuleKind::Wasm,
            other => panic!("{other}"),
        },
        origin: value.get("origin").map(origin),
        imports: imports
            .iter()
            .map(|(specifier, target)| (specifier.clone(), number(target)))
            .collect(),
        grants: value.get("grants").map(texts),
        globals: value.get("globals").map(texts).unwrap_or_default(),
    }
}

fn origin(value: &Value) -> Origin {
    Origin {
        transformation: match number(&value["transformation"]) {
            1 => Transformation::CommonJs,
            2 => Transformation::ImportedCommonJs,
            3 => Transformation::Constants,
            4 => Transformation::TypeScript,
            5 => Transformation::LeftOut,
            other => panic!("{other}"),
        },
        hash: value["hash"].as_str().unwrap().parse().unwrap(),
        size: value["size"].as_u64().unwrap(),
        exports: value.get("exports").map(texts).unwrap_or_default(),
        omitted: value.get("omitted").map(texts).unwrap_or_default(),
    }
}

fn import_map(vector: &Value) -> BTreeMap<String, String> {
    let entries = vector.get("import_map").and_then(Value::as_object);
    let entries = entries.into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries.map(|(key, value)| (key.clone(), text(value))).collect()
}

/// Returns the graphs of the accepted vectors.
pub(crate) fn accepted() -> Vec<Graph> {
    let vectors = vectors();
    let accepted = vectors["accepted"].as_array().unwrap();
    let graphs = accepted
        .iter()
        .map(|vector| Graph::decode(&bytes(vector)).unwrap());
    graphs.collect()
}

/// GRAPH-1, GRAPH-2, GRAPH-4, GRAPH-5, GRAPH-88, GRAPH-89: an independent encoder wrote these bytes.
#[test]
fn accepted_vectors() {
    let vectors = vectors();
    let accepted = vectors["accepted"].as_array().unwrap();
    assert!(accepted.len() >= 4);
    for vector in accepted {
        let name = &vector["name"];
        let bytes = bytes(vector);
        let packages = vector["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(package)
            .collect();
        let modules = vector["modules"].as_array().unwrap().iter().map(module).collect();
        let graph = Graph::new(number(&vector["entry"]), packages, modules)
            .and_then(|graph| graph.with_import_map(import_map(vector)))
            .unwrap();
        assert_eq!(hex::encode(graph.encode()), hex::encode(&bytes), "{name}");
        assert_eq!(Graph::decode(&bytes).unwrap(), graph, "{name}");
        assert_eq!(
            graph.hash().to_string(),
            vector["hash"].as_str().unwrap(),
            "{name}"
        );
        // A general CBOR reader can read it, too.
        cbor4ii::serde::from_slice::<cbor4ii::core::Value>(&bytes).unwrap();
    }
}

/// GRAPH-2, GRAPH-4, GRAPH-6, GRAPH-10, GRAPH-11, GRAPH-12, GRAPH-13, GRAPH-14, GRAPH-15, GRAPH-16, GRAPH-17, GRAPH-19,
/// GRAPH-20, GRAPH-21, GRAPH-22, GRAPH-88, GRAPH-89; attacks 46-54.
///
/// Each is rejected for the reason that the vector names.
#[test]
fn refused_vectors() {
    let vectors = vectors();
    let refused = vectors["refused"].as_array().unwrap();
    assert!(refused.len() >= 100);
    for vector in refused {
        let name = &vector["name"];
        match Graph::decode(&bytes(vector)) {
            Ok(graph) => panic!("{name} was accepted: {graph:?}"),
            Err(error) => {
                assert_eq!(error.kind(), vector["error"].as_str().unwrap(), "{name}: {error}");
                let message = error.to_string();
                assert!(!message.chars().any(char::is_control), "{name}: {message:?}");
            }
        }
    }
}

/// The errors state the position.
#[test]
fn messages() {
    let error = Graph::decode(b"{\"version\":1}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a graph: at byte 0, expected the graph, but found an item that begins with 0x7b"
    );
    let mut bytes = bytes(&vectors()["accepted"][0]);
    bytes.push(0);
    let error = Graph::decode(&bytes).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("expected the end, but there are more bytes"),
        "{error}"
    );
    let last = bytes.len() - 2;
    bytes.truncate(last + 1);
    bytes[last] ^= 1;
    assert_eq!(Graph::decode(&bytes), Err(GraphError::Seal));
}

/// Invalid parts cannot be built into a graph in memory.
#[test]
fn parts_are_checked_like_bytes() {
    let app = Package {
        name: String::new(),
        version: None,
        grants: vec![],
        ..Package::default()
    };
    let main = Module {
        name: "app:/main.js".into(),
        package: 0,
        hash: ContentHash::of(b""),
        size: 0,
        kind: ModuleKind::JavaScript,
        origin: None,
        imports: BTreeMap::new(),
        globals: vec![],
        grants: None,
    };
    assert!(Graph::new(0, vec![app.clone()], vec![main.clone()]).is_ok());
    assert!(Graph::new(1, vec![app.clone()], vec![main.clone()]).is_err());
    assert!(Graph::new(0, vec![], vec![main.clone()]).is_err());
    let mut other = main.clone();
    other.imports.insert("./a.js".into(), 7);
    let error = Graph::new(0, vec![app], vec![other]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "module \"app:/main.js\", specifier \"./a.js\": there is no module 7"
    );
}

/// GRAPH-22, attack 61: 100,000 modules are accepted, and one more is rejected.
#[test]
fn many_modules() {
    let app = Package {
        name: String::new(),
        version: None,
        grants: vec![],
        ..Package::default()
    };
    let modules: Vec<Module> = (0..=100_000)
        .map(|index: u32| Module {
            name: format!("app:/{index:06}.js"),
            package: 0,
            hash: ContentHash::of(&index.to_be_bytes()),
            size: 4,
            kind: ModuleKind::JavaScript,
            origin: None,
            imports: BTreeMap::from([("./next.js".to_owned(), (index + 1) % 100_000)]),
            globals: vec!["Array".to_owned(), "console".to_owned()],
            grants: None,
        })
        .collect();
    let graph = Graph::new(0, vec![app.clone()], modules[..100_000].to_vec()).unwrap();
    assert_eq!(Graph::decode(&graph.encode()).unwrap(), graph);
    assert!(matches!(
        Graph::new(0, vec![app], modules),
        Err(GraphError::Limit { limit: 100_000, .. })
    ));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z./#@:-]{1,12}",
        "[a-zäöü日本🦀]{1,30}",
        "[ -~]{1,300}",
        "[\\\\\"u{}a0 \u{a0}\u{2003}]{1,9}",
    ]
}

fn grants() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_set(text(), 0..4).prop_map(|grants| grants.into_iter().collect())
}

/// Generates the kind of a module and its origin.
fn content() -> impl Strategy<Value = (ModuleKind, Option<Origin>)> {
    let transformation = prop_oneof![
        Just(Transformation::CommonJs),
        Just(Transformation::ImportedCommonJs),
        Just(Transformation::Constants),
        Just(Transformation::TypeScript),
    ];
    let exports = proptest::collection::btree_set("[a-zA-Z_$ü.()-][a-zA-Z0-9_$ '\"]{0,9}", 0..5);
    let omitted = proptest::collection::btree_set("omitted [a-z]{1,9}", 0..3);
    let parts = (
        transformation,
        any::<[u8; 32]>(),
        0..=67_108_864_u64,
        exports,
        omitted,
    );
    let origin = parts.prop_map(|(transformation, hash, size, exports, omitted)| Origin {
        omitted: match transformation.is_common_js() {
            true => omitted.into_iter().collect(),
            false => Vec::new(),
        },
        transformation,
        hash: ContentHash::from_bytes(hash),
        size,
        exports: match transformation {
            Transformation::ImportedCommonJs => {
                exports.into_iter().filter(|name| name != "default").collect()
            }
            _ => Vec::new(),
        },
    });
    prop_oneof![
        (Just(ModuleKind::JavaScript), proptest::option::of(origin)),
        Just((ModuleKind::Json, None)),
        Just((ModuleKind::Text, None)),
        Just((ModuleKind::Bytes, None)),
        Just((ModuleKind::Wasm, None)),
    ]
}

/// Generates any valid graph of up to a few packages and a few dozen modules.
pub(crate) fn graph() -> impl Strategy<Value = Graph> {
    let package_names = proptest::collection::btree_set("(@[a-z]{1,3}/)?[a-z]{1,4}(>[a-z]{1,3}){0,2}", 0..4);
    let packages = package_names.prop_flat_map(|names| {
        let names: Vec<String> = std::iter::once(String::new()).chain(names).collect();
        let version = proptest::option::of("[0-9]\\.[0-9]\\.[0-9]");
        let details = (version, grants(), grants(), grants(), any::<bool>());
        let count = names.len();
        (Just(names), proptest::collection::vec(details, count))
    });
    let files = proptest::collection::btree_map(
        (0..4_usize, "[a-z]{1,4}(/[a-zü ]{1,4}){0,2}"),
        (
            any::<[u8; 32]>(),
            prop_oneof![0..300_u64, 0..=67_108_864_u64],
            content(),
            proptest::collection::btree_map(text(), any::<prop::sample::Index>(), 0..6),
            (proptest::option::of(grants()), grants()),
        ),
        0..24,
    );
    let import_map = proptest::collection::btree_map(text(), text(), 0..4);
    let parts = (packages, files, any::<prop::sample::Index>(), import_map);
    parts.prop_map(|((names, details), files, entry, import_map)| {
        let packages: Vec<Package> = names
            .into_iter()
            .zip(details)
            .enumerate()
            .map(
                |(index, (name, (version, grants, bounds, globals, isolate)))| Package {
                    name,
                    version: version.filter(|_| index != 0),
                    grants,
                    globals: if index == 0 { Vec::new() } else { globals },
                    isolate: isolate && index != 0,
                    bounds,
                },
            )
            .collect();
        let mut found: BTreeMap<(usize, String), _> = files
            .into_iter()
            .map(|((package, path), details)| ((package % packages.len(), path), details))
            .collect();
        found.entry((0, "main.js".to_owned())).or_insert_with(|| {
            let content = (ModuleKind::JavaScript, None);
            ([0; 32], 0, content, BTreeMap::new(), (None, Vec::new()))
        });
        let count = found.len();
        let first_party = found.keys().filter(|(package, _)| *package == 0).count();
        let mut modules: Vec<Module> = found
            .into_iter()
            .map(
                |((package, path), (hash, size, (kind, origin), imports, (grants, globals)))| Module {
                    globals,
                    name: format!("{}{path}", packages[package].module_prefix()),
                    package: u32::try_from(package).unwrap(),
                    hash: ContentHash::from_bytes(hash),
                    size,
                    kind,
                    origin,
                    imports: imports
                        .into_iter()
                        .map(|(specifier, target)| (specifier, u32::try_from(target.index(count)).unwrap()))
                        .collect(),
                    grants,
                },
            )
            .collect();
        let entry = entry.index(first_party);
        if modules[entry].kind == ModuleKind::Wasm {
            modules[entry].kind = ModuleKind::Bytes;
        }
        let graph = Graph::new(u32::try_from(entry).unwrap(), packages, modules).unwrap();
        graph.with_import_map(import_map).unwrap()
    })
}

proptest! {
    /// GRAPH-1, GRAPH-2: an encoded graph decodes to the same graph, and has no other encoding.
    #[test]
    fn round_trip(graph in graph()) {
        let bytes = graph.encode();
        let decoded = Graph::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded, &graph);
        prop_assert_eq!(decoded.encode(), bytes);
    }

    /// GRAPH-7: every change of one byte, every truncation and every addition is rejected.
    #[test]
    fn damage(graph in graph(), position in any::<prop::sample::Index>(), flip in 1..=255_u8, more in any::<u8>()) {
        let bytes = graph.encode();
        let mut changed = bytes.clone();
        let position = position.index(bytes.len());
        changed[position] ^= flip;
        prop_assert!(Graph::decode(&changed).is_err());
        prop_assert!(Graph::decode(&bytes[..position]).is_err());
        let mut longer = bytes.clone();
        longer.push(more);
        prop_assert!(Graph::decode(&longer).is_err());
    }

    /// Attack 54 and unknown attacks: any bytes decode to a graph or an error.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Graph::decode(&bytes).is_err());
    }

    /// The same with a valid beginning and a correct seal.
    #[test]
    fn any_body(
        graph in graph(), at in any::<prop::sample::Index>(),
        patch in proptest::collection::vec(any::<u8>(), 1..12)
    ) {
        let mut bytes = graph.encode();
        bytes.truncate(bytes.len() - 32);
        let start = at.index(bytes.len());
        for (byte, new) in bytes.iter_mut().skip(start).zip(patch) {
            *byte = new;
        }
        let seal = ContentHash::of(&bytes);
        bytes.extend(seal.as_bytes());
        if let Ok(decoded) = Graph::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }
}
