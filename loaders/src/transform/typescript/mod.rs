//! TypeScript as JavaScript: what only speaks of types becomes blank, and all the rest stays where it is.
//!
//! The section "Transformations" of spec/graph.md says what comes of it. What has a meaning when the program runs and is
//! no JavaScript (`enum`, parameter properties, …) is refused: it would take a compiler, and a source map.

mod blank;
mod erase;
mod shape;

use oxc_allocator::Allocator;
use oxc_span::SourceType;

use crate::syntax::{self, SyntaxProblem};

/// The ECMAScript module that `source` is without its types.
///
/// Blanking can change what the rest means: `a + b as number * c` is `(a + b) * c`. So the result is parsed, and has the
/// same tree as the source has but for its types; otherwise the source is refused.
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
            &format!("without its types it is no JavaScript: {message}"),
        )
    })?;
    match shape::difference(&typed.program, &plain.program) {
        Some(offset) => Err(at(
            offset,
            "without its types this would mean something else; put what the type belongs to into parentheses",
        )),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests;
