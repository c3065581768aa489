//! The field `browser` of package.json in its object form. It replaces files and packages in environments without
//! Node.js.
//!
//! Bundlers support the field in the same way, but there is no standard. A key is a package specifier, or a path
//! relative to the folder of the package.json. A path may omit `./`, the file extension, or `/index`.

use serde_json::{Map, Value};

use super::error::ImportProblem;
use super::specifier;

/// The file extensions that a key may omit.
const ENDINGS: [&str; 4] = [".js", ".json", ".mjs", ".cjs"];

/// The replacement for a key of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Replacement {
    /// A path relative to the folder of the package.json.
    File(String),
    /// A package specifier. It is treated as a path if there is no such package.
    Package(String),
    /// `false`: an empty module.
    Nothing,
}

/// Returns the replacement for the package specifier `name`, which must not be a path.
pub(super) fn of_name(map: &Map<String, Value>, name: &str) -> Result<Option<Replacement>, ImportProblem> {
    // An entry for `crypto` also applies to `node:crypto`.
    let plain = name.strip_prefix("node:");
    let value = map.get(name).or_else(|| map.get(plain?));
    match value {
        Some(Value::String(target)) if target == name => Ok(None),
        value => replacement(value),
    }
}

/// Returns the replacement for the file `path`, which is relative to the folder of the package.json.
pub(super) fn of_file(map: &Map<String, Value>, path: &str) -> Result<Option<Replacement>, ImportProblem> {
    for key in keys(path) {
        let Some(value) = map.get(&key) else {
            continue;
        };
        let found = replacement(Some(value))?;
        // A file that maps to itself is not replaced. Packages use such entries to mark a file as present.
        let is_same = |target: &str| keys(path).any(|key| key.trim_start_matches("./") == target);
        return Ok(found.filter(|found| !matches!(found, Replacement::File(target) if is_same(target))));
    }
    Ok(None)
}

/// Returns the keys that match the file `path`, the most specific one first.
fn keys(path: &str) -> impl Iterator<Item = String> {
    let without_ending = ENDINGS.iter().find_map(|ending| path.strip_suffix(ending));
    let folder = without_ending.and_then(|path| match path {
        "index" => Some(""),
        path => path.strip_suffix("/index"),
    });
    let dotted = [Some(path), without_ending, folder].into_iter().flatten();
    let dotted = dotted.map(|path| match path {
        "" => ".".to_owned(),
        path => format!("./{path}"),
    });
    let plain = [Some(path), without_ending].into_iter().flatten();
    // `events` names a package, even if the package has a file with that name.
    let plain = plain.filter(|path| looks_like_a_file(path)).map(str::to_owned);
    dotted.chain(plain).collect::<Vec<_>>().into_iter()
}

/// Returns true if a key or value without `./` looks like a path rather than a package name.
pub(super) fn looks_like_a_file(path: &str) -> bool {
    (path.contains('/') && !path.starts_with('@')) || ENDINGS.iter().any(|ending| path.ends_with(ending))
}

fn replacement(value: Option<&Value>) -> Result<Option<Replacement>, ImportProblem> {
    match value {
        Some(Value::Bool(false)) => Ok(Some(Replacement::Nothing)),
        Some(Value::String(target)) if target.is_empty() => Ok(None),
        Some(Value::String(target)) if specifier::is_relative_for_require(target) => {
            let path = specifier::decode_path(target.trim_end_matches('/'))?;
            // A path that leaves the folder of the package.json may still be inside the package. A later check decides.
            Ok(Some(Replacement::File(
                specifier::join("", &path).unwrap_or(path),
            )))
        }
        Some(Value::String(target)) => Ok(Some(Replacement::Package(target.clone()))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map() -> Map<String, Value> {
        let map = json!({
            "fs": false, "a": "./shims/a.js", "b": "c", "same": "same", "none": "", "true": true,
            "./lib/x.js": "./web/x.js", "./lib/y": "./web/y.js", "./lib/z": false, "lib/p.js": "lib/q.js",
            "events": false, "./self.js": "./self.js", "./self2": "./self2.js", ".": "./web/index.js", "./up.js": "./../x.js"
        });
        map.as_object().unwrap().clone()
    }

    /// GRAPH-39: keys that are package names.
    #[test]
    fn names() {
        let file = |path: &str| Some(Replacement::File(path.to_owned()));
        for (name, expected) in [
            ("fs", Some(Replacement::Nothing)),
            ("node:fs", Some(Replacement::Nothing)),
            ("a", file("shims/a.js")),
            ("a/b", None),
            ("b", Some(Replacement::Package("c".into()))),
            ("same", None),
            ("none", None),
            ("true", None),
            ("unknown", None),
        ] {
            assert_eq!(of_name(&map(), name), Ok(expected), "{name}");
        }
    }

    /// GRAPH-39: keys that are files, relative to the folder of the package.json.
    #[test]
    fn files() {
        let file = |path: &str| Some(Replacement::File(path.to_owned()));
        for (path, expected) in [
            ("lib/x.js", file("web/x.js")),
            ("x.js", None),
            ("web/lib/x.js", None),
            ("lib/x.json", None),
            ("lib/y.js", file("web/y.js")),
            ("lib/y.mjs", file("web/y.js")),
            ("lib/y/index.js", file("web/y.js")),
            ("lib/z/index.json", Some(Replacement::Nothing)),
            ("lib/p.js", Some(Replacement::Package("lib/q.js".into()))),
            ("events.js", None),
            ("fs", None),
            ("self.js", None),
            ("self2.js", None),
            ("index.js", file("web/index.js")),
            ("up.js", file("./../x.js")),
        ] {
            assert_eq!(of_file(&map(), path), Ok(expected), "{path}");
        }
    }
}
