//! The text of modules for V8: as it is, with the import of its bindings.

use std::borrow::Cow;

use crate::memory::Memory;
use crate::modules::synthetic_urls::BINDINGS;

/// Memory that V8's compiler takes for a class of characters such as `\p{L}` in a regular expression, in bytes. The
/// same figures are in realm/bounds.js, for patterns that are not literals.
const CLASS: usize = 16 << 10;
/// Memory for a class of texts, which only the flag `v` allows.
const CLASS_OF_TEXTS: usize = 1 << 20;
/// The beginnings of classes of texts.
const OF_TEXTS: [&str; 3] = ["\\p{RGI_", "\\p{Basic_Emoji", "\\p{Emoji_Keycap"];

/// The texts of the modules in one isolate.
#[derive(Clone)]
pub(crate) struct ModuleTexts(Memory);

impl ModuleTexts {
    /// Creates the texts of an isolate with this account. V8 needs no random bits.
    pub(crate) fn new(_secret: &str, memory: &Memory) -> Self {
        ModuleTexts(memory.clone())
    }

    /// Returns the text of the module with this index. `bindings` are the free names that its bindings define.
    ///
    /// # Errors
    /// The account has no room for the classes of its regular expressions.
    pub(crate) fn of(&self, _module: u32, source: &str, bindings: &[&str]) -> Result<String, String> {
        self.has_room_for(source)?;
        Ok(with_bindings(source, bindings))
    }

    /// Returns the text of a module without imports that is added at run time.
    ///
    /// # Errors
    /// The account has no room for the classes of its regular expressions.
    pub(crate) fn without_imports(&self, source: &str) -> Result<String, String> {
        self.has_room_for(source)?;
        Ok(with_bindings(source, &[]))
    }

    /// Checks that the account has room for all classes of characters in this source. The compiler checks every
    /// literal, also in functions that never run. Text that is no literal counts, too, because nothing parses the
    /// source here.
    fn has_room_for(&self, source: &str) -> Result<(), String> {
        let count = |text: &str| source.matches(text).count();
        let classes = count("\\p{") + count("\\P{");
        let of_texts: usize = OF_TEXTS.into_iter().map(count).sum();
        let bytes = classes
            .saturating_mul(CLASS)
            .saturating_add(of_texts.saturating_mul(CLASS_OF_TEXTS));
        let held = self.0.hold_now(bytes);
        held.map(drop)
            .map_err(|why| format!("its regular expressions have {classes} classes such as \\p{{L}}: {why}"))
    }

    /// Returns the specifier in the source that the engine calls `name` in this module.
    #[expect(clippy::unnecessary_wraps, reason = "QuickJS has names of its own")]
    pub(crate) fn specifier<'a>(&self, name: &'a str, _module: u32) -> Option<Cow<'a, str>> {
        Some(Cow::Borrowed(name))
    }

    /// Returns a text of the engine with the specifiers of the source.
    pub(crate) fn shown(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// The comments that set a script's name and source map, without a value. The engine uses the last ones.
const NO_OTHER_NAME: &str = "\n//# sourceURL=\n//# sourceMappingURL=";

/// Returns the source in the form for the engine. A module cannot set its own name or source map, because stack traces
/// show both.
fn with_bindings(source: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return format!("{source}{NO_OTHER_NAME}");
    }
    format!(
        "{source}\n;import{{{}}}from\"{}\";{NO_OTHER_NAME}",
        names.join(","),
        BINDINGS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_appended_import_moves_no_position() {
        let source = "console.log(1) // end";
        let bound = with_bindings(source, &["console"]);
        assert!(bound.starts_with("console.log(1) // end\n"));
        assert!(with_bindings(source, &[]).starts_with("console.log(1) // end\n"));
    }
}
