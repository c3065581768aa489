//! JSON that packages import without an attribute, for compatibility with bundlers.

use std::fmt::Write;

use serde_json::Value;

/// Maximum number of exported names of such a module. CommonJS modules have the same limit.
const NAMES: usize = 10_000;

/// Returns the source of a synthetic module for the JSON `text` at `url`. Its exports are the value as `default`, and
/// the value's properties by name.
///
/// The value is that of the JSON module with the same URL, so importers that use the attribute get the same object. If
/// the engine rejects the JSON, that import fails.
pub(super) fn source(text: &str, url: &str) -> String {
    let mut source = format!("import value from {url:?} with {{ type: \"json\" }};\nexport default value;\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Ok(Value::Object(properties)) = serde_json::from_str(text) else {
        return source;
    };
    let names = properties.keys().filter(|name| *name != "default").take(NAMES);
    for (number, name) in names.enumerate() {
        // The names are escaped, because QuickJS's bindings search for words in the text of a module, even in strings.
        let name: String = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            source,
            "const v{number} = value[\"{name}\"];\nexport {{ v{number} as \"{name}\" }};"
        );
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_object_are_exported() {
        let exports = |text: &str| {
            let source = source(text, "package:/p/a.json");
            let lines = source.lines().filter(|line| line.starts_with("export {"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            exports("\u{feff}{\"a\":1,\"default\":2,\"b \\\"c\":3}"),
            [
                r#"export { v0 as "\u0061" };"#,
                r#"export { v1 as "\u0062\u0020\u0022\u0063" };"#
            ]
        );
        for text in ["[1]", "1", "{", "null"] {
            assert_eq!(exports(text), [""; 0], "{text}");
        }
    }
}
