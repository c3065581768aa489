//! Resolution of the `exports` and `imports` fields of package.json, by the algorithm in Node's documentation
//! ("Modules: Packages").

use serde_json::{Map, Value};

use super::error::ImportProblem;

/// The conditions that select a target, besides `default`. The order of keys in package.json decides between them, not
/// the order in this list.
///
/// `module` marks ECMAScript modules for bundlers. `worker` marks files that need neither a DOM nor Node.js, and
/// `browser` marks files that do not need Node.js. `node` is not included, because such files expect modules that do
/// not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conditions {
    /// True for `require`, which selects the CommonJS form of a package that has both forms.
    pub(super) is_require: bool,
    /// True if files for browsers are selected, through the condition `browser` and the field `browser`.
    pub(super) takes_browser: bool,
}

impl Conditions {
    /// The conditions of `import`.
    pub(super) const IMPORT: Self = Self {
        is_require: false,
        takes_browser: true,
    };
    /// The conditions of `require`.
    pub(super) const REQUIRE: Self = Self {
        is_require: true,
        takes_browser: true,
    };

    /// Returns the same conditions without files for browsers.
    pub(super) fn without_browser(self) -> Self {
        Self {
            takes_browser: false,
            ..self
        }
    }

    fn names(self) -> &'static [&'static str] {
        match (self.is_require, self.takes_browser) {
            (false, true) => &[
                "secure-runtime",
                "import",
                "module",
                "worker",
                "browser",
                "default",
            ],
            (false, false) => &["secure-runtime", "import", "module", "worker", "default"],
            (true, true) => &["secure-runtime", "require", "worker", "browser", "default"],
            (true, false) => &["secure-runtime", "require", "worker", "default"],
        }
    }

    fn has(self, condition: &str) -> bool {
        self.names().contains(&condition)
    }
}

/// The target of a subpath of a package.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `./path`, relative to the folder of the package.json.
    File(String),
    /// The specifier of another package. Only `imports` may have it.
    Package(String),
}

/// The field to search, and the conditions.
#[derive(Debug, Clone, Copy)]
struct Scope {
    conditions: Conditions,
    /// True for `imports`, whose targets may be packages.
    internal: bool,
}

/// Returns the target of `subpath` (`.` or `./…`) in `exports`.
pub(super) fn exported(
    exports: &Value,
    subpath: &str,
    conditions: Conditions,
) -> Result<Target, ImportProblem> {
    let scope = Scope {
        conditions,
        internal: false,
    };
    let refused = || ImportProblem::NotExported {
        subpath: subpath.to_owned(),
        conditions: conditions.names(),
    };
    let subpaths = match exports {
        Value::Object(entries) => {
            let dotted = entries.keys().filter(|key| key.starts_with('.')).count();
            if dotted != 0 && dotted != entries.len() {
                return Err(ImportProblem::Exports {
                    reason: "keys with and without `.` are mixed",
                });
            }
            (dotted != 0).then_some(entries)
        }
        _ => None,
    };
    let resolved = match subpaths {
        Some(entries) => matching(entries, subpath, scope)?,
        None if subpath == "." => target(exports, None, scope)?,
        None => None,
    };
    resolved.ok_or_else(refused)
}

/// Returns the target of `specifier` (`#…`) in `imports`.
pub(super) fn internal(
    imports: &Value,
    specifier: &str,
    conditions: Conditions,
) -> Result<Target, ImportProblem> {
    let scope = Scope {
        conditions,
        internal: true,
    };
    let refused = || ImportProblem::NotInternal {
        specifier: specifier.to_owned(),
        conditions: conditions.names(),
    };
    // Node.js accepts names that start with `#/` since version 25. `#` alone is not a name.
    if specifier == "#" || specifier == "#/" {
        return Err(refused());
    }
    let entries = imports.as_object().ok_or_else(refused)?;
    matching(entries, specifier, scope)?.ok_or_else(refused)
}

/// Finds the entry for `key`: an exact match, else the pattern with the longest part before its `*`.
fn matching(entries: &Map<String, Value>, key: &str, scope: Scope) -> Result<Option<Target>, ImportProblem> {
    if !key.contains('*')
        && !key.ends_with('/')
        && let Some(value) = entries.get(key)
    {
        return target(value, None, scope);
    }
    let candidates = entries.iter().filter_map(|(pattern, value)| {
        let (before, after) = pattern
            .split_once('*')
            .filter(|(_, after)| !after.contains('*'))?;
        let matched = key
            .strip_prefix(before)?
            .strip_suffix(after)
            .filter(|matched| !matched.is_empty())?;
        Some(((before.len(), pattern.len()), matched, value))
    });
    match candidates.max_by_key(|(length, ..)| *length) {
        Some((_, matched, value)) => target(value, Some(matched), scope),
        None => Ok(None),
    }
}

/// Returns the target that `value` selects under our conditions. `None` if no condition matches or the target is
/// `null`.
fn target(value: &Value, matched: Option<&str>, scope: Scope) -> Result<Option<Target>, ImportProblem> {
    Ok(match choose(value, matched, scope)? {
        Choice::Target(target) => Some(target),
        Choice::Nothing | Choice::Undecided => None,
    })
}

/// The result of evaluating a value of `exports`.
enum Choice {
    Target(Target),
    /// `null`, which explicitly has no target and ends the search among conditions.
    Nothing,
    /// No condition matched, so the search continues.
    Undecided,
}

fn choose(value: &Value, matched: Option<&str>, scope: Scope) -> Result<Choice, ImportProblem> {
    match value {
        Value::String(path) => file_or_package(path, matched, scope.internal).map(Choice::Target),
        Value::Object(conditions) => {
            if conditions.keys().any(|key| key.parse::<u32>().is_ok()) {
                return Err(ImportProblem::Exports {
                    reason: "a condition is a number",
                });
            }
            for (condition, value) in conditions {
                if scope.conditions.has(condition) {
                    match choose(value, matched, scope)? {
                        Choice::Undecided => {}
                        choice => return Ok(choice),
                    }
                }
            }
            Ok(Choice::Undecided)
        }
        Value::Array(fallbacks) => {
            let mut last = Ok(Choice::Nothing);
            for fallback in fallbacks {
                match choose(fallback, matched, scope) {
                    Ok(Choice::Undecided) => {}
                    Ok(Choice::Nothing) => last = Ok(Choice::Nothing),
                    Err(error @ ImportProblem::ExportTarget { .. }) => last = Err(error),
                    decided => return decided,
                }
            }
            last
        }
        Value::Null => Ok(Choice::Nothing),
        other => Err(ImportProblem::ExportTarget {
            target: other.to_string(),
        }),
    }
}

fn file_or_package(path: &str, matched: Option<&str>, internal: bool) -> Result<Target, ImportProblem> {
    let refused = || ImportProblem::ExportTarget {
        target: path.to_owned(),
    };
    let filled = |path: &str| matched.map_or_else(|| path.to_owned(), |matched| path.replace('*', matched));
    let Some(below) = path.strip_prefix("./") else {
        let is_package = internal
            && !path.starts_with("../")
            && !path.starts_with('/')
            && !path.starts_with('#')
            && !path.contains(':');
        return if is_package {
            Ok(Target::Package(filled(path)))
        } else {
            Err(refused())
        };
    };
    if !segments_stay_inside(below) || !matched.is_none_or(segments_stay_inside) {
        return Err(refused());
    }
    Ok(Target::File(filled(path)))
}

/// Returns true if no segment of `path` is empty, `.`, `..` or `node_modules` in any spelling.
fn segments_stay_inside(path: &str) -> bool {
    path.split(['/', '\\']).all(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        !matches!(plain.as_str(), "" | "." | ".." | "node_modules") && !is_encoded_node_modules(&plain)
    })
}

/// Returns true if a lower-case segment is `node_modules` with some characters percent-encoded.
fn is_encoded_node_modules(segment: &str) -> bool {
    segment.contains('%')
        && super::specifier::decode_path(segment).is_ok_and(|text| text.eq_ignore_ascii_case("node_modules"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(exports: Value, subpath: &str, expected: &str) {
        let found = match exported(&exports, subpath, Conditions::IMPORT) {
            Ok(Target::File(path)) => path,
            Ok(Target::Package(name)) => format!("package {name}"),
            Err(ImportProblem::NotExported { .. }) => "not exported".to_owned(),
            Err(ImportProblem::ExportTarget { .. }) => "bad target".to_owned(),
            Err(ImportProblem::Exports { .. }) => "bad exports".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{exports} {subpath}");
    }

    /// GRAPH-34: the examples of Node's documentation and test fixtures.
    #[test]
    fn subpaths_and_conditions() {
        check(json!("./a.js"), ".", "./a.js");
        check(json!("./a.js"), "./a.js", "not exported");
        check(json!({".": "./a.js"}), ".", "./a.js");
        check(json!({"./b": "./a.js"}), ".", "not exported");
        check(json!({"./b": "./a.js"}), "./b", "./a.js");
        check(json!({"import": "./a.mjs", "require": "./a.cjs"}), ".", "./a.mjs");
        check(
            json!({"require": "./a.cjs", "default": "./a.mjs"}),
            ".",
            "./a.mjs",
        );
        check(json!({"default": "./a.mjs", "import": "./b.mjs"}), ".", "./a.mjs");
        check(json!({"node": "./a.cjs", "browser": "./b.js"}), ".", "./b.js");
        check(json!({"worker": "./w.js", "browser": "./b.js"}), ".", "./w.js");
        check(json!({"browser": "./b.js", "worker": "./w.js"}), ".", "./b.js");
        check(
            json!({"deno": "./d.js", "workerd": "./d.js", "edge-light": "./d.js", "bun": "./d.js", "default": "./a.js"}),
            ".",
            "./a.js",
        );
        check(
            json!({"secure-runtime": "./s.js", "import": "./a.mjs"}),
            ".",
            "./s.js",
        );
        check(json!({"module": "./m.js", "default": "./a.js"}), ".", "./m.js");
        check(
            json!({"import": {"node": "./n.js", "default": "./d.js"}}),
            ".",
            "./d.js",
        );
        check(
            json!({"import": {"node": "./n.js"}, "default": "./d.js"}),
            ".",
            "./d.js",
        );
        check(json!({"import": null, "default": "./d.js"}), ".", "not exported");
        check(
            json!({".": {"import": {"types": "./t.d.ts", "default": "./d.js"}}}),
            ".",
            "./d.js",
        );
    }

    /// GRAPH-34: `require` selects the CommonJS form of a package that has both forms.
    #[test]
    fn conditions_of_require() {
        let table = [
            (
                json!({"import": "./a.mjs", "require": "./a.cjs"}),
                Some("./a.cjs"),
            ),
            (
                json!({"module": "./m.js", "import": "./a.mjs", "default": "./d.js"}),
                Some("./d.js"),
            ),
            (
                json!({"secure-runtime": "./s.js", "require": "./a.cjs"}),
                Some("./s.js"),
            ),
            (
                json!({"node": {"require": "./n.cjs"}, "require": {"import": "./x.js", "default": "./r.cjs"}}),
                Some("./r.cjs"),
            ),
            (json!({"import": "./a.mjs"}), None),
        ];
        for (exports, expected) in table {
            let expected = expected.map(|path| Target::File(path.to_owned()));
            assert_eq!(
                exported(&exports, ".", Conditions::REQUIRE).ok(),
                expected,
                "{exports}"
            );
        }
    }

    #[test]
    fn patterns() {
        check(json!({"./*": "./lib/*.js"}), "./a", "./lib/a.js");
        check(json!({"./*": "./lib/*.js"}), "./a/b", "./lib/a/b.js");
        check(json!({"./*.js": "./lib/*.js"}), "./a", "not exported");
        check(json!({"./*.js": "./lib/*.js"}), "./a.js", "./lib/a.js");
        check(json!({"./f/*": "./lib/*", "./*": "./x/*"}), "./f/a", "./lib/a");
        check(json!({"./f/*": null, "./*": "./x/*"}), "./f/a", "not exported");
        check(
            json!({"./f/*": "./lib/*", "./f/in/*": null}),
            "./f/in/a",
            "not exported",
        );
        check(
            json!({"./f/*.js": "./j/*.js", "./f/*": "./x/*"}),
            "./f/a.js",
            "./j/a.js",
        );
        check(json!({"./*": "./*/*.js"}), "./a", "./a/a.js");
        check(json!({"./*": "./lib/*.js"}), ".", "not exported");
        check(json!({"./a": "./a.js", "./*": "./b/*.js"}), "./a", "./a.js");
    }

    #[test]
    fn fallbacks() {
        check(json!(["./a.js", "./b.js"]), ".", "./a.js");
        check(json!(["a.js", "./b.js"]), ".", "./b.js");
        check(json!([null, "./b.js"]), ".", "./b.js");
        check(json!([{"node": "./n.js"}, "./b.js"]), ".", "./b.js");
        check(json!([]), ".", "not exported");
        check(json!(["a.js"]), ".", "bad target");
    }

    #[test]
    fn refused() {
        for target in [
            "a.js",
            "/etc/passwd",
            "../a.js",
            "./../a.js",
            "./a/../../b.js",
            "./node_modules/x/a.js",
            "./a//b.js",
            "./",
            "./.",
            "file:///etc/passwd",
            "./%2e%2e/a.js",
            "./%6eode_modules/x.js",
            "./NODE_MODULES/x.js",
            "./a\\..\\b.js",
            "https://example.com/a.js",
            "other-package",
        ] {
            check(json!(target), ".", "bad target");
        }
        for value in [json!(1), json!(true), json!({"import": 1.5})] {
            check(value, ".", "bad target");
        }
        check(json!({"./*": "./lib/*"}), "./../a", "bad target");
        check(json!({"./*": "./lib/*"}), "./node_modules/a", "bad target");
        check(json!({"./*": "./lib/*"}), "./a/%2e%2e/b", "bad target");
        check(json!({".": "./a.js", "import": "./b.js"}), ".", "bad exports");
        check(json!({"0": "./a.js"}), ".", "bad exports");
    }

    #[test]
    fn internal_imports() {
        let imports = json!({
            "#a": "./a.js", "#dep": "dep/sub", "#p/*": "./p/*.js", "#c": {"node": "./n.js", "default": "./d.js"},
            "#up": "../x.js", "#url": "https://example.com/x.js", "#": "./a.js", "#/x": "./a.js"
        });
        let found = |specifier| internal(&imports, specifier, Conditions::IMPORT);
        assert_eq!(found("#a"), Ok(Target::File("./a.js".into())));
        assert_eq!(found("#dep"), Ok(Target::Package("dep/sub".into())));
        assert_eq!(found("#p/x"), Ok(Target::File("./p/x.js".into())));
        assert_eq!(found("#c"), Ok(Target::File("./d.js".into())));
        assert!(matches!(found("#up"), Err(ImportProblem::ExportTarget { .. })));
        assert!(matches!(found("#url"), Err(ImportProblem::ExportTarget { .. })));
        assert!(matches!(found("#none"), Err(ImportProblem::NotInternal { .. })));
        assert!(matches!(found("#"), Err(ImportProblem::NotInternal { .. })));
        assert_eq!(found("#/x"), Ok(Target::File("./a.js".into())));
        assert!(matches!(found("#/"), Err(ImportProblem::NotInternal { .. })));
        assert!(matches!(found("#/y"), Err(ImportProblem::NotInternal { .. })));
    }
}
