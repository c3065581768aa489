//! Words that QuickJS's bindings (`v8x` 149.4.0-rc.4) search for in the text of a module.
//!
//! The bindings search everywhere, even in strings. If they find a word, they compile a changed text. So no text with
//! such a word may reach them. In code and in literals, the word is written in another form with the same meaning. If
//! that is impossible, the module is refused.
//!
//! | in the bindings | the word | effect |
//! | --- | --- | --- |
//! | `rewrite_v8_native_intrinsics` | `%NeverOptimizeFunction(` and four more | read as a call of an intrinsic of V8 |
//! | `rewrite_dynamic_phase_imports` | `import.source (`, `import.defer (` | call a global of the bindings |
//! | `rewrite_deferred_imports` | `import defer` | replace text that looks like a declaration, at any place |
//! | `rewrite_source_phase` | `import source` | the same |
//! | `extract_source_mapping_url` | a line that begins with `//# sourceMappingURL=` | give deno_core a source map |
//! | names as C strings | a NUL | panic if it is part of a name |
//!
//! `parse_import_specifiers` searches for imports. The module `portable` ends that search before the module's own text.
//!
//! The other searches have no effect that a program can see. `has_top_level_await` and `exported_function_positions`
//! serve debuggers, and `missing_export_location` finds the position of an error.

use std::ops::Range;

use secure_runtime_loaders::{Literal, StaticImports};

/// The names of V8's intrinsics that the bindings know, with the characters around them in a call.
const INTRINSICS: [&str; 5] = [
    "%PrepareFunctionForOptimization(",
    "%OptimizeFunctionOnNextCall(",
    "%NeverOptimizeFunction(",
    "%AtomicsNumWaitersForTesting(",
    "%AtomicsNumUnresolvedAsyncPromisesForTesting(",
];

/// The beginning of a call of `import` with a phase.
const PHASE_CALLS: [&str; 2] = ["import.source", "import.defer"];

/// The beginning of a declaration with a phase.
const PHASE_DECLARATIONS: [&str; 2] = ["import defer", "import source"];

/// The beginning of a comment that names a source map.
const SOURCE_MAPS: [&str; 2] = ["//# sourceMappingURL=", "//@ sourceMappingURL="];

/// A replacement of a part of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

/// A word in a source.
struct Word {
    /// The word, for messages.
    shown: &'static str,
    /// The byte that is escaped if the word is in a literal.
    character: usize,
    /// The position where a space breaks the word in code, if a space may stand there.
    gap: Option<usize>,
}

/// Returns the edits that remove all words outside of comments and specifiers.
///
/// # Errors
/// A word cannot be replaced at its place.
pub(super) fn edits(source: &str, found: &StaticImports) -> Result<Vec<Edit>, String> {
    let imported: Vec<Range<usize>> = found
        .imports
        .iter()
        .map(|import| import.literal.clone())
        .collect();
    let mut edits = Vec::new();
    for word in words(source, &found.comments) {
        let stays =
            within(&found.comments, word.character).is_none() && within(&imported, word.character).is_none();
        if !stays {
            continue;
        }
        match literal_at(&found.literals, word.character) {
            Some(literal) if literal.takes_escapes => {
                edits.push(escaped(source, literal.range.start, word.character));
            }
            Some(_) => {
                return Err(refusal(
                    source,
                    &word,
                    "in a regular expression or a tagged template",
                ));
            }
            None => match word.gap {
                Some(gap) => edits.push(Edit {
                    range: gap..gap,
                    text: " ".to_owned(),
                }),
                None => return Err(refusal(source, &word, "outside of a string")),
            },
        }
    }
    edits.sort_by_key(|edit| edit.range.start);
    edits.dedup();
    Ok(edits)
}

/// Returns a word that `text` contains, if there is one. Such a text must not reach the bindings.
pub(super) fn remaining(text: &str) -> Option<&'static str> {
    words(text, &[]).first().map(|word| word.shown)
}

/// Returns all words of a text. `comments` will be blanked.
fn words(text: &str, comments: &[Range<usize>]) -> Vec<Word> {
    let mut words = Vec::new();
    for shown in INTRINSICS {
        words.extend(text.match_indices(shown).map(|(at, _)| Word {
            shown,
            character: at,
            gap: Some(at + 1),
        }));
    }
    for shown in PHASE_CALLS {
        let calls = text.match_indices(shown).map(|(at, _)| at);
        let calls = calls.filter(|at| is_called(text, at + shown.len(), comments));
        words.extend(calls.map(|at| at + "import".len()).map(|dot| Word {
            shown,
            character: dot,
            gap: Some(dot),
        }));
    }
    for shown in PHASE_DECLARATIONS {
        let spaces = text.match_indices(shown).map(|(at, _)| at + "import".len());
        words.extend(spaces.map(|space| Word {
            shown,
            character: space,
            gap: Some(space),
        }));
    }
    for shown in SOURCE_MAPS {
        words.extend(text.match_indices(shown).map(|(at, _)| Word {
            shown,
            character: at + "//".len(),
            gap: None,
        }));
    }
    words.extend(text.match_indices('\0').map(|(at, _)| Word {
        shown: "a NUL character",
        character: at,
        gap: None,
    }));
    words
}

/// Returns true if an opening parenthesis is next, after spaces, tabs and comments.
fn is_called(text: &str, mut at: usize, comments: &[Range<usize>]) -> bool {
    loop {
        if let Some(comment) = within(comments, at) {
            at = comment.end;
            continue;
        }
        match text.as_bytes().get(at) {
            Some(b' ' | b'\t') => at += 1,
            Some(b'(') => return true,
            _ => return false,
        }
    }
}

/// Returns the range that contains `at`. The ranges are sorted.
fn within(ranges: &[Range<usize>], at: usize) -> Option<&Range<usize>> {
    let next = ranges.partition_point(|range| range.start <= at);
    ranges
        .get(next.checked_sub(1)?)
        .filter(|range| range.contains(&at))
}

/// Returns the literal that contains `at`.
fn literal_at(literals: &[Literal], at: usize) -> Option<&Literal> {
    let next = literals.partition_point(|literal| literal.range.start <= at);
    literals
        .get(next.checked_sub(1)?)
        .filter(|literal| literal.range.contains(&at))
}

/// Returns the edit that replaces the ASCII character at `at` with an escape sequence. The literal begins at `start`.
fn escaped(source: &str, start: usize, at: usize) -> Edit {
    let bytes = source.as_bytes();
    let character = bytes.get(at).copied().unwrap_or_default();
    let before = bytes.get(start..at).unwrap_or_default();
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    // In `\%`, the character is escaped already. The edit removes this backslash, which would otherwise escape the
    // backslash of the sequence.
    let first = at - backslashes % 2;
    Edit {
        range: first..at + 1,
        text: format!("\\x{character:02x}"),
    }
}

fn refusal(source: &str, word: &Word, place: &str) -> String {
    let before = source.get(..word.character).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!(
        "line {line}: it has {:?} {place}, and QuickJS's bindings would run another program; run it with a build that has V8, or write that \
         otherwise",
        word.shown
    )
}

#[cfg(test)]
mod tests {
    use secure_runtime_loaders::static_imports;

    use super::*;

    fn edited(source: &str) -> Result<String, String> {
        let mut text = source.to_owned();
        for edit in edits(source, &static_imports(source).unwrap())?.into_iter().rev() {
            text.replace_range(edit.range, &edit.text);
        }
        Ok(text)
    }

    #[test]
    fn rewritten_words_keep_their_meaning() {
        for (source, wanted) in [
            ("a %NeverOptimizeFunction(b)", "a % NeverOptimizeFunction(b)"),
            ("a %NeverOptimizeFunction", "a %NeverOptimizeFunction"),
            (
                "'a %NeverOptimizeFunction(b)'",
                "'a \\x25NeverOptimizeFunction(b)'",
            ),
            (
                "'a \\%NeverOptimizeFunction(b)'",
                "'a \\x25NeverOptimizeFunction(b)'",
            ),
            (
                "'a \\\\%NeverOptimizeFunction(b)'",
                "'a \\\\\\x25NeverOptimizeFunction(b)'",
            ),
            ("`import.source('x')`", "`import\\x2esource('x')`"),
            ("a.import.source \t(b)", "a.import .source \t(b)"),
            ("a.import.source/* */(b)", "a.import .source/* */(b)"),
            ("a.import.source", "a.import.source"),
            ("import defer from 'x'", "import  defer from 'x'"),
            ("`${`import source x`}`", "`${`import\\x20source x`}`"),
            ("' import{a}from \"x\"'", "' import{a}from \"x\"'"),
            ("'a\0b'", "'a\\x00b'"),
            ("`\n//# sourceMappingURL=x`", "`\n//\\x23 sourceMappingURL=x`"),
            ("// import defer\n1", "// import defer\n1"),
        ] {
            assert_eq!(edited(source).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn words_that_cannot_be_rewritten_are_refused() {
        for source in [
            "/import defer/",
            "/[%NeverOptimizeFunction(]/",
            "String.raw`import source x`",
            "a`${1}import.defer(`",
            "a`\n//# sourceMappingURL=x`",
        ] {
            let refused = edited(source).unwrap_err();
            assert!(
                refused.contains("a regular expression or a tagged template"),
                "{refused}"
            );
        }
        // A template inside the expression of a tagged template has no tag.
        assert_eq!(
            edited("a`${`import source x`}`").as_deref(),
            Ok("a`${`import\\x20source x`}`")
        );
    }

    #[test]
    fn remaining_words_are_found() {
        assert_eq!(remaining("a. import.defer\t ("), Some("import.defer"));
        assert_eq!(remaining("\"import source\""), Some("import source"));
        assert_eq!(remaining("import  defer from '%NeverOptimizeFunction'"), None);
    }
}
