//! The static imports, comments and literals of a module, for engines that find them by a search of the text.

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
    /// What it imports.
    pub specifier: String,
    /// Where the literal stands in the source, with its quotes, in bytes.
    pub literal: Range<usize>,
    /// What kind of module its `with` says that this is.
    pub kind: Option<ModuleKind>,
}

/// What an ECMAScript module imports, and where it has comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticImports {
    /// The declarations that import something, in their order.
    pub imports: Vec<StaticImport>,
    /// Where the comments stand in the source, in bytes and in their order. The first line counts as one where it begins with `#!`.
    pub comments: Vec<Range<usize>>,
    /// The literals whose text is data, in their order.
    pub literals: Vec<Literal>,
}

/// What an ECMAScript module imports by declarations.
///
/// Locking a program finds them as well; this is for engines that do not say by themselves what a module imports.
///
/// # Errors
/// A syntax error, or a declaration that no locked program has.
pub fn static_imports(source: &str) -> Result<StaticImports, SyntaxProblem> {
    /// Of the stack of whoever calls this.
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
