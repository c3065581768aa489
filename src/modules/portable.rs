//! What modules need where the engine is QuickJS.
//!
//! Its bindings find what a module imports by looking through the text, and do not know regular expressions: behind `/"/`
//! they miss imports, and in strings they find some. What they miss the engine looks up all the same, by a name that some
//! module has imported: `cap:self` would be that of another module. So the engine gets a source whose imports have names of
//! that module alone, which nobody else can know, and which are all imported on the first line as well, before anything that
//! could mislead who looks through the text. Comments are blank. What is found besides is no import, and means an empty module.

use std::fmt::Write;

use secure_runtime_loaders::{ModuleKind, static_imports};

/// What begins the names of imports, before [`Names::secret`].
const PREFIX: &str = "import:";

/// The names of imports in one run.
#[derive(Debug)]
pub(super) struct Names {
    secret: String,
}

/// The imports of one module, by the numbers that their names end with.
#[derive(Debug)]
pub(super) struct Imports {
    specifiers: Vec<String>,
}

impl Names {
    /// # Errors
    /// The operating system gave no random bytes.
    pub(super) fn new() -> Result<Names, String> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|_| "the operating system gave no random bytes".to_owned())?;
        Ok(Names {
            secret: u128::from_le_bytes(secret).to_string(),
        })
    }

    fn name(&self, module: u32, number: usize) -> String {
        format!("{PREFIX}{}/{module}/{number}", self.secret)
    }

    /// `source` as the engine gets it, and its imports; `bindings` are the free names that get a meaning from the module
    /// `bindings_module`.
    ///
    /// The first line gets longer, so columns on it are not those of the file.
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
        let mut body = String::with_capacity(source.len() + 64 * (found.imports.len() + 1));
        let mut at = 0;
        // What stands in comments would be taken for code by who looks through the text.
        let mut comments = found.comments.iter().peekable();
        let mut blank_until = |body: &mut String, at: &mut usize, end: usize| {
            while let Some(comment) = comments.next_if(|comment| comment.start < end) {
                body.push_str(source.get(*at..comment.start).unwrap_or_default());
                let text = source.get(comment.clone()).unwrap_or_default();
                body.extend(text.chars().map(|character| match character {
                    '\n' | '\r' | '\u{2028}' | '\u{2029}' => character,
                    _ => ' ',
                }));
                *at = comment.end;
            }
        };
        for import in &found.imports {
            let name = self.name(module, number(&import.specifier, import.kind));
            blank_until(&mut body, &mut at, import.literal.start);
            body.push_str(source.get(at..import.literal.start).unwrap_or_default());
            body.push('"');
            body.push_str(&name);
            body.push('"');
            at = import.literal.end;
        }
        blank_until(&mut body, &mut at, source.len());
        body.push_str(source.get(at..).unwrap_or_default());
        if body.starts_with("#!") {
            body.replace_range(..2, "//");
        }
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
        text.push_str(&body);
        let specifiers = imports.into_iter().map(|(specifier, _)| specifier).collect();
        Ok((text, Imports { specifiers }))
    }

    /// The source of a module that imports nothing, as the engine gets it.
    pub(super) fn without_imports(&self, source: &str) -> Result<String, String> {
        Ok(self.rewrite(u32::MAX, source, &[], "")?.0)
    }

    /// What the name of an import in `module` stands for.
    pub(super) fn specifier<'a>(&self, name: &str, module: u32, imports: &'a Imports) -> Option<&'a str> {
        let rest = name.strip_prefix(PREFIX)?.strip_prefix(self.secret.as_str())?;
        let (of, number) = rest.strip_prefix('/')?.split_once('/')?;
        if of.parse() != Ok(module) {
            return None;
        }
        imports
            .specifiers
            .get(number.parse::<usize>().ok()?)
            .map(String::as_str)
    }
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
             import{Date,console}from\"import:7/3/3\";///bin/x\n\
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
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let names = Names::new().unwrap();
        assert!(names.rewrite(0, "import {", &[], "cap:bindings").is_err());
        assert!(names.rewrite(0, "", &[], "cap:bindings").unwrap().0.is_empty());
    }
}
