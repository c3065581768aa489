//! The static imports, comments and literals of a module. Some engines find imports by a text search and need these
//! positions.

use std::ops::Range;

use oxc_allocator::Allocator;
use oxc_span::{SourceType, Span};

use super::error::ImportProblem;
use super::literals::{Literal, literals};
use super::scan::{Announced, declarations, static_import};
use crate::graph::ModuleKind;
use crate::syntax::{self, Lines, SyntaxProblem};

/// An `import … from "…"`, `import "…"` or `export … from "…"` of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticImport {
    /// The specifier.
    pub specifier: String,
    /// The position of the literal with its quotes, in bytes.
    pub literal: Range<usize>,
    /// The kind of module that its `with` clause states.
    pub kind: Option<ModuleKind>,
}

/// The imports, comments and literals of an ECMAScript module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticImports {
    /// The import declarations, in the order of the source.
    pub imports: Vec<StaticImport>,
    /// The positions of the comments in bytes, in the order of the source. A first line that begins with `#!` counts as
    /// a comment.
    pub comments: Vec<Range<usize>>,
    /// The literals that are pure data, in the order of the source.
    pub literals: Vec<Literal>,
}

/// Finds the import declarations of an ECMAScript module.
///
/// Locking finds them too. This function is for engines that do not report the imports of a module themselves.
///
/// # Errors
/// Returns an error for a syntax error, or for a declaration that no locked program has.
pub fn static_imports(source: &str) -> Result<StaticImports, SyntaxProblem> {
    /// The stack that callers must have available, in bytes.
    const AVAILABLE: usize = 1 << 20;
    syntax::with_stack(source, AVAILABLE, || {
        let allocator = Allocator::default();
        let parsed = syntax::parse(&allocator, source, SourceType::mjs())
            .map_err(|(offset, message)| SyntaxProblem::at(source, offset, &message))?;
        let mut lines = Lines::new(source);
        let mut imports = Vec::new();
        for (literal, clause, phase) in declarations(&parsed.program) {
            let import = static_import(&mut lines, literal, clause, phase);
            if let Some(problem) = import.problem {
                return Err(SyntaxProblem::at(
                    source,
                    literal.span.start,
                    &problem.to_string(),
                ));
            }
            imports.push(StaticImport {
                specifier: import.specifier,
                literal: range(literal.span),
                kind: match import.announced {
                    Announced::Nothing => None,
                    Announced::Json => Some(ModuleKind::Json),
                    Announced::Text => Some(ModuleKind::Text),
                    Announced::Bytes => Some(ModuleKind::Bytes),
                },
            });
        }
        let (literals, phase_call) = literals(&parsed.program);
        if let Some(call) = phase_call {
            return Err(SyntaxProblem::at(
                source,
                call.start,
                &ImportProblem::Phase.to_string(),
            ));
        }
        let first_line = parsed.program.hashbang.iter();
        let comments = parsed.program.comments.iter().map(|comment| comment.span);
        Ok(StaticImports {
            imports,
            comments: first_line
                .map(|line| line.span)
                .chain(comments)
                .map(range)
                .collect(),
            literals,
        })
    })
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_import_with_a_phase_are_refused() {
        for call in ["import.source('x')", "f(async () => import.defer('x'))"] {
            let problem = static_imports(call).unwrap_err();
            assert!(problem.to_string().contains("are not supported"), "{problem}");
        }
        assert!(static_imports("x.import.source('x'); import('x')").is_ok());
    }
}
