//! The transformation of TypeScript to JavaScript. Types become blanks, and everything else keeps its position.
//!
//! The section "Transformations" of spec/graph.md specifies the result. Some constructs have an effect at run time that
//! JavaScript does not have, for example `enum` and parameter properties. They are rejected, because they would need a
//! compiler and a source map.

mod blank;
mod erase;
mod shape;

use oxc_allocator::Allocator;
use oxc_span::SourceType;

use crate::syntax::{self, SyntaxProblem};

/// Returns the ECMAScript module that `source` is without its types.
///
/// Removing types can change the meaning: `a + b as number * c` means `(a + b) * c`. So the result is parsed and its
/// tree is compared with that of the source without types. If the trees differ, the source is rejected.
pub(crate) fn strip(source: &str) -> Result<String, SyntaxProblem> {
    let at = |offset: u32, message: &str| SyntaxProblem::at(source, offset, message);
    let allocator = Allocator::default();
    let kind = SourceType::ts().with_module(true);
    let typed = syntax::parse_with_tokens(&allocator, source, kind)
        .map_err(|(offset, message)| at(offset, &message))?;
    let text = erase::types(source, &typed.program, &typed.tokens)
        .map_err(|(offset, message)| at(offset, message))?
        .write(source);
    let plain = syntax::parse(&allocator, &text, SourceType::mjs()).map_err(|(offset, message)| {
        SyntaxProblem::at(
            &text,
            offset,
            &format!("without its types it is not JavaScript: {message}"),
        )
    })?;
    match shape::difference(&typed.program, &plain.program) {
        Some(offset) => Err(at(
            offset,
            "without its types this would mean something else; put the typed expression into parentheses",
        )),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests;
