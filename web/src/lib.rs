//! Rewrites scripts of web interfaces so that the state of their objects is private.
//!
//! The scripts of Deno's crates keep the state of an object in properties whose keys are symbols:
//! `stream[_reader] = reader`. `Object.getOwnPropertySymbols` lists these keys, and a proxy gets them as arguments of
//! its traps. So code that shares a realm with the scripts could read and replace the state of every object. This crate
//! changes the text of the scripts, so that each such *key* becomes a *slot*. A slot is an object with the functions
//! `get`, `set` and others, which the runtime creates and no guest can reach. `_reader.get(stream)` reads the state.
//!
//! | in the source | in the result |
//! | --- | --- |
//! | `const _key = Symbol("name")` | `const _key = __bootstrap.slot("name")` |
//! | `const _key = SymbolFor("name")` | the same; `Symbol("name")` for a key that stays a symbol |
//! | `object[_key]` | `_key.get(object)` |
//! | `object?.[_key]` | `_key.opt(object)` |
//! | `object[_key](a, b)` | `_key.call(object, a, b)` |
//! | `object[_key] = value` | `_key.set(object, value)` |
//! | `object[_key] += value` | `_key.set(object, _key.get(object) + (value))` |
//! | `++object[_key]`, `object[_key]++` | `_key.add(object, 1)`, `_key.addAfter(object, 1)` |
//! | `_key in object` | `_key.has(object)` |
//! | `{ a, [_key]: value }` | `_key.put({ a, ...null }, value)` |
//! | the field `[_key] = value;` of a class | `#__f1 = _key.init(this, value);` |
//! | the method `[_key]() {}` of a class | `__m1() {} static { _key.method(this.prototype, …); delete … }` |
//! | the accessor `get [_key]() {}` | the same with `accessor`, and with `setter` for `set` |
//!
//! An engine may have symbols that no property of the language lists and no proxy sees, such as the private symbols of
//! V8. For such an engine, [`Keys::Inherited`] rewrites only the keys of properties that objects inherit, because
//! engines look up private symbols only in the object itself. All other texts stay as they are.
//!
//! The result has the same lines as the source, so that positions of errors stay correct.

mod deno;
mod edits;
mod keys;
mod rewrite;

use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_parser::Parser;
use oxc_span::SourceType;

pub use self::deno::DENO;
pub use self::keys::{KeyTable, Keys};

/// A script that cannot be rewritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The script does not parse.
    #[error("{name}: {message}")]
    Syntax {
        /// Name of the script.
        name: String,
        /// Message of the parser.
        message: String,
    },
    /// The script uses a key in a way that this crate does not rewrite. The key could become visible.
    #[error("{name}:{line}: {what}: {text}")]
    Unknown {
        /// Name of the script.
        name: String,
        /// Line of the use, from 1.
        line: usize,
        /// Kind of the use.
        what: &'static str,
        /// First line of the expression.
        text: String,
    },
}

/// A script: its name, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// Name of the script, for errors.
    pub name: &'a str,
    /// Text of the script.
    pub source: &'a str,
}

impl Script<'_> {
    fn parse<'b>(&'b self, allocator: &'b Allocator) -> Result<Program<'b>, RewriteError> {
        let parsed = Parser::new(allocator, self.source, SourceType::script()).parse();
        match parsed.diagnostics.first() {
            None => Ok(parsed.program),
            Some(problem) => Err(RewriteError::Syntax {
                name: self.name.to_owned(),
                message: problem.to_string(),
            }),
        }
    }
}

/// Returns a script without its comments. The result has the same lines. A script in a heap snapshot takes less memory
/// then.
///
/// # Errors
/// The script does not parse.
pub fn without_comments(script: &Script<'_>) -> Result<String, RewriteError> {
    let allocator = Allocator::default();
    let program = script.parse(&allocator)?;
    let mut edits = edits::Edits::default();
    for comment in &program.comments {
        edits.replace(script.source, comment.span.start, comment.span.end, " ");
    }
    let whole = oxc_span::Span::new(0, program.span.end);
    let text = edits
        .apply(script.source, whole)
        .unwrap_or_else(|_| script.source.to_owned());
    Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

/// Rewrites scripts that use each other's keys. The results are in the order of the scripts.
///
/// # Errors
/// A script does not parse, or uses a key in an unknown way.
pub fn rewrite(scripts: &[Script<'_>], table: &KeyTable, which: Keys) -> Result<Vec<String>, RewriteError> {
    let mut found = keys::Found::default();
    for script in scripts {
        let allocator = Allocator::default();
        found.add(&script.parse(&allocator)?);
    }
    scripts
        .iter()
        .map(|script| {
            let allocator = Allocator::default();
            let program = script.parse(&allocator)?;
            let keys = found.keys_of(&program, table, which);
            rewrite::rewrite(script, &program, &keys, table)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str, which: Keys) -> Result<String, String> {
        let scripts = [Script { name: "a.js", source }];
        let texts = rewrite(&scripts, &DENO, which).map_err(|error| error.to_string())?;
        Ok(texts.concat())
    }

    /// Rewrites statements of a script with two keys.
    fn all(statements: &str) -> String {
        let begin = "const _a = Symbol(\"a\"); const _b = Symbol(\"b\");";
        let text = rewritten(&format!("{begin} {statements}"), Keys::All).unwrap();
        let slots = "const _a = __bootstrap.slot(\"a\"); const _b = __bootstrap.slot(\"b\"); ";
        // A symbol that is no key stays a symbol.
        let text = text.replace("const _b = Symbol(\"b\");", "const _b = __bootstrap.slot(\"b\");");
        text.strip_prefix(slots).unwrap().to_owned()
    }

    #[test]
    fn keys_become_slots() {
        for (source, result) in [
            ("x[_a];", "_a.get(x);"),
            ("this.y[_a][_b].z;", "_b.get(_a.get(this.y)).z;"),
            ("x?.[_a];", "_a.opt(x);"),
            ("x[_a]();", "_a.call(x);"),
            ("f(x)[_a](1, y[_b]);", "_a.call(f(x), 1, _b.get(y));"),
            ("x[_a] = y[_b];", "_a.set(x, _b.get(y));"),
            ("x[_a] = x[_b] = 1;", "_a.set(x, _b.set(x, 1));"),
            ("x[_a].y = 1;", "_a.get(x).y = 1;"),
            ("x[_a] += y + 1;", "_a.set(x, _a.get(x) + (y + 1));"),
            ("x[_a] ??= y;", "_a.set(x, _a.get(x) ?? (y));"),
            ("x[_a]++;", "_a.addAfter(x, 1);"),
            ("--x[_a];", "_a.add(x, -1);"),
            ("_a in x;", "_a.has(x);"),
            (
                "f({ x, [_a]: y[_b], z });",
                "f(_a.put({ x, ...null, z }, _b.get(y)));",
            ),
            ("x[_a] === _a;", "_a.get(x) === _a;"),
            ("ReflectHas(x, _a); x[_a];", "ReflectHas(x, _a); _a.get(x);"),
            ("const { [y]: z } = x[_a];", "const { [y]: z } = _a.get(x);"),
        ] {
            assert_eq!(all(source), result, "{source}");
        }
    }

    #[test]
    fn members_of_classes_become_slots() {
        let method = |kind: &str| {
            format!(
                " static {{ _a.{kind}(this.prototype, this.prototype.__m1); delete this.prototype.__m1; }}"
            )
        };
        for (source, result) in [
            ("[_a]; y;", "#__f1 = _a.init(this, undefined); y;".to_owned()),
            (
                "[_a] = [1];\n[_b] = y[_a];",
                "#__f1 = _a.init(this, [1]);\n#__f2 = _b.init(this, _a.get(y));".to_owned(),
            ),
            (
                "[_a](z) { super.f(); }",
                format!("__m1(z) {{ super.f(); }}{}", method("method")),
            ),
            (
                "get [_a]() { return this[_b]; }",
                format!("__m1() {{ return _b.get(this); }}{}", method("accessor")),
            ),
            ("set [_a](z) {}", format!("__m1(z) {{}}{}", method("setter"))),
        ] {
            assert_eq!(
                all(&format!("class X extends Y {{ {source} }}")),
                format!("class X extends Y {{ {result} }}")
            );
        }
    }

    /// The key would be visible, or the text would have another meaning.
    #[test]
    fn other_uses_of_keys_are_errors() {
        for (source, what) in [
            ("f(_a)", "unknown use"),
            ("f({ a: _a })", "unknown use"),
            ("x = _a", "unknown use"),
            ("[_a]", "unknown use"),
            ("`${_a}`", "unknown use"),
            ("Object.defineProperty(x, _a, {})", "unknown use"),
            ("x.y = webidl.brand", "unknown use"),
            ("f(webidl.brand)", "unknown use"),
            ("delete x[_a]", "delete"),
            ("const { [_a]: y } = x", "key in a pattern"),
            ("x?.[_a].y", "an optional chain"),
            ("x[_a]?.()", "optional call"),
            ("f()[_a] += 1", "compound assignment"),
            ("class X { static [_a] = 1; }", "static field"),
            ("class X { static [_a]() {} }", "kind of method"),
            ("class X { async [_a]() {} }", "kind of method"),
        ] {
            let text = format!("const _a = Symbol();\nx[_a];\n{source};");
            let error = rewritten(&text, Keys::All).unwrap_err();
            assert!(
                error.starts_with("a.js:3: ") && error.contains(what),
                "{source}: {error}"
            );
        }
        // Without the key, each of these is accepted.
        for source in ["f(_c)", "x?.[_c].y", "delete x[_c]", "f()[_c] += 1"] {
            rewritten(&format!("const _a = Symbol(); x[_a]; {source}"), Keys::All).unwrap();
        }
    }

    #[test]
    fn another_variable_of_the_same_name_is_no_key() {
        let source = "const a = Symbol(); x[a]; { const a = 1; f(a, y[a]); }";
        let result = "const a = __bootstrap.slot(); a.get(x); { const a = 1; f(a, y[a]); }";
        assert_eq!(rewritten(source, Keys::All).unwrap(), result);
    }

    /// Private symbols of an engine are no properties of a prototype's heirs.
    #[test]
    fn only_inherited_keys_become_slots() {
        let source = "const _own = Symbol(); const _method = Symbol();
class X { [_own] = 1; [_method]() { return this[_own]; } }
x[_own] = webidl.brand; x[_method]();";
        let result = "const _own = Symbol(); const _method = __bootstrap.slot();
class X { [_own] = 1; __m1() { return this[_own]; } static { _method.method(this.prototype, this.prototype.__m1); delete this.prototype.__m1; } }
x[_own] = webidl.brand; _method.call(x);";
        assert_eq!(rewritten(source, Keys::Inherited).unwrap(), result);
    }

    /// A guest gets each registered symbol by its name.
    #[test]
    fn no_key_stays_registered() {
        let source = "const _a = SymbolFor(\"a\"); const _b = SymbolFor(\"b\"); x[_a]; ObjectDefineProperty(X.prototype, _b, {});";
        let result = "const _a = Symbol(\"a\"); const _b = __bootstrap.slot(\"b\"); x[_a]; ObjectDefineProperty(X.prototype, _b, {});";
        assert_eq!(rewritten(source, Keys::Inherited).unwrap(), result);
        let result = result
            .replace("_a = Symbol", "_a = __bootstrap.slot")
            .replace("x[_a]", "_a.get(x)");
        assert_eq!(rewritten(source, Keys::All).unwrap(), result);
        // This one is no state, and the permit list removes its properties.
        let public = "const customInspect = SymbolFor(\"a\"); x[customInspect];";
        assert_eq!(rewritten(public, Keys::All).unwrap(), public);
    }

    #[test]
    fn scripts_share_keys() {
        let scripts = [
            Script {
                name: "a.js",
                source: "const _a = Symbol(); x[_a]; f(() => { return { _a }; });",
            },
            Script {
                name: "b.js",
                source: "const { _a } = core.loadExtScript(\"a\");\ny[\n_a\n].z;",
            },
        ];
        let texts = rewrite(&scripts, &DENO, Keys::All).unwrap();
        // The lines stay.
        assert_eq!(
            texts[1],
            "const { _a } = core.loadExtScript(\"a\");\n_a.get(y)\n\n.z;"
        );
    }

    #[test]
    fn comments_are_removed() {
        let source = "// a\nf(/* b\n c */ x); /** d */\nconst y = \"/* e */\" + `// ${z}`;\n";
        let script = Script { name: "a.js", source };
        assert_eq!(
            without_comments(&script).unwrap(),
            "\nf(\n x);\nconst y = \"/* e */\" + `// ${z}`;"
        );
    }

    #[test]
    fn a_script_that_does_not_parse_is_an_error() {
        assert!(rewritten("const", Keys::All).unwrap_err().starts_with("a.js: "));
    }
}
