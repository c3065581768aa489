//! The text of a module for QuickJS. Its bindings find imports by searching the text.
//!
//! The search does not recognise regular expressions: after `/"/` it misses imports, and in other literals it finds
//! imports that are none. So the loader gives imports names with random bits of this run, which no file can contain.
//! All of them are imported on the first line, where the search finds them.
//!
//! The search ends there: after the imports, there is a regular expression that it reads as the beginning of an
//! unterminated template (see [`end_of_search`]). Comments are blanked, and no word remains that the bindings act on
//! (see the module `words`). The engine links by these names alone (see `GraphLoader::linked`).

use std::fmt::Write;

use secure_runtime_loaders::{ModuleKind, static_imports};

use super::words::{self, Edit};

/// The prefix of import names, before [`Names::secret`].
const PREFIX: &str = "import:";

/// Maximum nesting of templates for the bindings. They use a stack frame for each level.
const DEEPEST: usize = 1000;

/// The names of imports in one run.
#[derive(Debug)]
pub(super) struct Names {
    secret: String,
}

/// The imports of one module. The index is the number at the end of their names.
#[derive(Debug)]
pub(super) struct Imports {
    specifiers: Vec<String>,
}

impl Names {
    /// Creates names with these random bits.
    pub(super) fn new(secret: String) -> Names {
        Names { secret }
    }

    fn name(&self, module: u32, number: usize) -> String {
        format!("{PREFIX}{}/{module}/{number}", self.secret)
    }

    /// Returns `source` in the form for the engine, and its imports. `bindings` are the free names that the module
    /// `bindings_module` defines.
    ///
    /// The first line becomes longer, so its columns differ from those of the file.
    ///
    /// # Errors
    /// The source has a syntax error, or a word for the bindings that cannot be replaced. Or the bindings would read it
    /// as deeply nested templates.
    pub(super) fn rewrite(
        &self,
        module: u32,
        source: &str,
        bindings: &[&str],
        bindings_module: &str,
    ) -> Result<(String, Imports), String> {
        let found = static_imports(source).map_err(|error| error.to_string())?;
        let mut imports: Vec<(String, Option<ModuleKind>)> = Vec::new();
        let mut number = |specifier: &str, kind: Option<ModuleKind>| {
            let known = imports
                .iter()
                .position(|(known, of)| known == specifier && *of == kind);
            known.unwrap_or_else(|| {
                imports.push((specifier.to_owned(), kind));
                imports.len() - 1
            })
        };
        let mut edits = words::edits(source, &found)?;
        edits.extend(found.comments.iter().map(|comment| Edit {
            range: comment.clone(),
            text: blank(source.get(comment.clone()).unwrap_or_default()),
        }));
        for import in &found.imports {
            let name = self.name(module, number(&import.specifier, import.kind));
            edits.push(Edit {
                range: import.literal.clone(),
                text: format!("\"{name}\""),
            });
        }
        let body = edited(source, edits);
        let bound = (!bindings.is_empty()).then(|| number(bindings_module, None));

        let mut text = String::with_capacity(body.len() + 64 * imports.len());
        for (number, (_, kind)) in imports.iter().enumerate() {
            let names = match bound {
                Some(bound) if bound == number => bindings.join(","),
                _ => String::new(),
            };
            let attributes = match kind {
                Some(kind) => format!("with{{type:\"{}\"}}", kind.as_str()),
                None => String::new(),
            };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "import{{{names}}}from\"{}\"{attributes};",
                self.name(module, number)
            );
        }
        if body.contains("import") || body.contains("export") {
            text.push_str(&end_of_search(&body)?);
        }
        text.push_str(&body);
        if let Some(word) = words::remaining(&text) {
            return Err(format!(
                "it has {word:?}, and QuickJS's bindings would run another program; run it with a build that has V8"
            ));
        }
        let specifiers = imports.into_iter().map(|(specifier, _)| specifier).collect();
        Ok((text, Imports { specifiers }))
    }

    /// Returns the source of a module without imports, in the form for the engine.
    pub(super) fn without_imports(&self, source: &str) -> Result<String, String> {
        Ok(self.rewrite(u32::MAX, source, &[], "")?.0)
    }

    /// Replaces the names of imports in `text` with those in the source. `specifier` returns the imports of all
    /// modules.
    pub(super) fn shown(&self, text: &str, specifier: impl Fn(u32, usize) -> Option<String>) -> String {
        let before = format!("{PREFIX}{}/", self.secret);
        let mut parts = text.split(before.as_str());
        let mut shown = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
            let known = || {
                let (module, rest) = part.split_at_checked(digits(part))?;
                let rest = rest.strip_prefix('/')?;
                let (number, rest) = rest.split_at_checked(digits(rest))?;
                Some((specifier(module.parse().ok()?, number.parse().ok()?)?, rest))
            };
            match known() {
                Some((specifier, rest)) => {
                    shown.push_str(&specifier);
                    shown.push_str(rest);
                }
                None => {
                    shown.push_str(PREFIX);
                    shown.push_str(part);
                }
            }
        }
        shown
    }

    /// Returns the specifier behind the name of an import in `module`.
    pub(super) fn specifier<'a>(&self, name: &str, module: u32, imports: &'a Imports) -> Option<&'a str> {
        let rest = name.strip_prefix(PREFIX)?.strip_prefix(self.secret.as_str())?;
        let (of, number) = rest.strip_prefix('/')?.split_once('/')?;
        if of.parse() != Ok(module) {
            return None;
        }
        imports.get(number.parse::<usize>().ok()?)
    }
}

impl Imports {
    /// Returns the specifier with this number.
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        self.specifiers.get(number).map(String::as_str)
    }
}

/// Returns an expression without effect that ends the bindings' search for imports before `body`.
///
/// The search reads it as a template with an unterminated expression. The expression has one more opening brace than
/// `body` can close. The parentheses close it for another search of the bindings, which looks for an `await` outside of
/// functions.
///
/// # Errors
/// The search would read `body` as templates that are nested deeper than [`DEEPEST`].
fn end_of_search(body: &str) -> Result<String, String> {
    let opened = "{".repeat(body.matches('}').count());
    let closed = ")".repeat(opened.len() + 1);
    let nested = templates(body);
    if nested > DEEPEST {
        return Err(format!(
            "QuickJS's bindings read it as templates that are nested {nested} deep, and support at most {DEEPEST}; run it with a \
             build that has V8"
        ));
    }
    Ok(format!("/[`${{{opened}{closed}]/;"))
}

/// Returns the recursion depth of the bindings' `skip_template` for `body`, if `body` is in an expression of a
/// template.
fn templates(body: &str) -> usize {
    let bytes = body.as_bytes();
    // The number of open braces in each template's expression. It is 0 in the text of a template.
    let mut open: Vec<usize> = vec![usize::MAX];
    let (mut at, mut deepest) = (0, 0);
    while let (Some(byte), Some(braces)) = (bytes.get(at), open.last_mut()) {
        at += 1;
        match (byte, *braces) {
            (b'\\', _) => at += 1,
            (b'`', 0) => drop(open.pop()),
            (b'$', 0) if bytes.get(at) == Some(&b'{') => {
                *braces = 1;
                at += 1;
            }
            (_, 0) => {}
            (b'`', _) => {
                open.push(0);
                deepest = deepest.max(open.len() - 1);
            }
            (b'{', open) => *braces = open.saturating_add(1),
            (b'}', open) => *braces = open - 1,
            (quote @ (b'"' | b'\''), _) => {
                // A string ends at the quote, or before the end of the line.
                while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'\n') {
                    at += 1;
                    match byte {
                        b'\\' => at += 1,
                        byte if byte == quote => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// Returns spaces, with the line ends of `text`.
fn blank(text: &str) -> String {
    let blank = text.chars().map(|character| match character {
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => character,
        _ => ' ',
    });
    blank.collect()
}

/// Returns `source` with these edits, which do not overlap.
fn edited(source: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut text = String::with_capacity(source.len() + 64 * (edits.len() + 1));
    let mut at = 0;
    for Edit { range, text: new } in edits {
        text.push_str(source.get(at..range.start).unwrap_or_default());
        text.push_str(&new);
        at = range.end;
    }
    text.push_str(source.get(at..).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_have_names_of_their_module() {
        let names = Names {
            secret: "7".to_owned(),
        };
        let source = "#!/bin/x\nconst a = /\"/; import { fs } from \"cap:self\"; // \"\n\
                      export * /* with type x */ from './b.js'; import c from './c.json' with { type: 'json' }; import 'cap:self'";
        let (text, imports) = names
            .rewrite(3, source, &["Date", "console"], "cap:bindings")
            .unwrap();
        assert_eq!(
            text,
            "import{}from\"import:7/3/0\";import{}from\"import:7/3/1\";import{}from\"import:7/3/2\"with{type:\"json\"};\
             import{Date,console}from\"import:7/3/3\";/[`${{{)))]/;        \n\
             const a = /\"/; import { fs } from \"import:7/3/0\";     \n\
             export *                   from \"import:7/3/1\"; import c from \"import:7/3/2\" with { type: 'json' }; import \"import:7/3/0\""
        );
        let specifier = |name: &str, module: u32| names.specifier(name, module, &imports);
        assert_eq!(specifier("import:7/3/0", 3), Some("cap:self"));
        assert_eq!(specifier("import:7/3/3", 3), Some("cap:bindings"));
        for (name, module) in [
            ("import:7/3/0", 4),
            ("import:7/3/4", 3),
            ("import:8/3/0", 3),
            ("import:7/3", 3),
            ("cap:self", 3),
        ] {
            assert_eq!(specifier(name, module), None, "{name}");
        }
        let shown = names.shown(
            "The requested module 'import:7/3/0' of import:7/4/0, import:8/3/0",
            |module, number| {
                (module == 3)
                    .then(|| imports.get(number).map(str::to_owned))
                    .flatten()
            },
        );
        assert_eq!(
            shown,
            "The requested module 'cap:self' of import:4/0, import:8/3/0"
        );
    }

    #[test]
    fn text_of_a_module_that_looks_like_a_phase_reaches_the_engine_as_text() {
        let names = Names::new("7".to_owned());
        let source =
            "import a from \"import defer\"; x = ' import source y from \"z\"'; a %NeverOptimizeFunction(x)";
        let (text, imports) = names.rewrite(0, source, &[], "").unwrap();
        assert_eq!(imports.get(0), Some("import defer"));
        assert_eq!(
            text,
            "import{}from\"import:7/0/0\";/[`${)]/;import a from \"import:7/0/0\"; x = ' import\\x20source y from \"z\"'; \
             a % NeverOptimizeFunction(x)"
        );
        assert!(names.rewrite(0, "/import defer/", &[], "").is_err());
    }

    #[test]
    fn deeply_nested_templates_are_refused() {
        for (body, nested) in [
            ("", 0),
            ("`a`", 1),
            ("`a${`b`}` + `${c}`", 2),
            ("'`${`' + \"\\\"`\"", 0),
            ("'`\n`", 1),
            ("/`${`${`${/", 3),
            ("`\\${`}`", 1),
            ("`${{}}`", 1),
            ("}}}`", 1),
        ] {
            assert_eq!(templates(body), nested, "{body}");
        }
        let names = Names::new("7".to_owned());
        let nested =
            |times: usize| names.rewrite(0, &format!("export default /{}/", "`${".repeat(times)), &[], "");
        assert!(nested(DEEPEST).is_ok());
        let refused = nested(DEEPEST + 1).unwrap_err();
        assert!(refused.contains("nested 1001 deep"), "{refused}");
    }

    #[test]
    fn text_that_is_not_a_module_is_refused() {
        let names = Names::new("7".to_owned());
        assert!(names.rewrite(0, "import {", &[], "cap:bindings").is_err());
        assert!(names.rewrite(0, "", &[], "cap:bindings").unwrap().0.is_empty());
    }
}
