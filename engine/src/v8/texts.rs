//! The text of modules for V8: as it is, with the import of its bindings.

use std::borrow::Cow;

use crate::modules::synthetic_urls::BINDINGS;

/// The texts of the modules in one isolate.
#[derive(Clone, Default)]
pub(crate) struct ModuleTexts;

impl ModuleTexts {
    /// Creates the texts of an isolate. V8 needs no random bits.
    pub(crate) fn new(_secret: &str) -> Self {
        ModuleTexts
    }

    /// Returns the text of the module with this index. `bindings` are the free names that its bindings define.
    #[expect(clippy::unnecessary_wraps, reason = "QuickJS refuses some texts")]
    pub(crate) fn of(&self, _module: u32, source: &str, bindings: &[&str]) -> Result<String, String> {
        Ok(with_bindings(source, bindings))
    }

    /// Returns the text of a module without imports that is added at run time.
    #[expect(clippy::unnecessary_wraps, reason = "QuickJS refuses some texts")]
    pub(crate) fn without_imports(&self, source: &str) -> Result<String, String> {
        Ok(with_bindings(source, &[]))
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
