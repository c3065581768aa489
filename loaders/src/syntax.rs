//! The parts that all parsing of source code shares: positions, errors, and the stack that the parser needs.

use oxc_allocator::Allocator;
use oxc_parser::config::TokensParserConfig;
use oxc_parser::{Parser, ParserReturn};
use oxc_span::{SourceType, Span};

use crate::text::printable;

/// A syntax error in a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}\n  {excerpt}\n  {}^", " ".repeat(excerpt_column.saturating_sub(1)))]
pub struct SyntaxProblem {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
    /// The description of the error.
    pub message: String,
    /// The source line, or the part of a long line around the error.
    pub excerpt: String,
    /// The column within `excerpt`, counted from 1.
    pub excerpt_column: usize,
}

impl SyntaxProblem {
    /// Creates the problem `message` at the byte `offset` of `source`.
    pub(crate) fn at(source: &str, offset: u32, message: &str) -> Self {
        const SHOWN: usize = 60;
        let place = Lines::new(source).place(offset);
        let line = source.split('\n').nth(place.line - 1).unwrap_or_default();
        // Minified files are a single line, so show only the text around the position.
        let skipped = place.column.saturating_sub(SHOWN);
        let excerpt: String = line.chars().skip(skipped).take(2 * SHOWN).collect();
        Self {
            line: place.line,
            column: place.column,
            message: printable(message),
            excerpt: printable(&excerpt.replace('\t', " ")),
            excerpt_column: place.column - skipped,
        }
    }
}

/// A line and a column in a source text, both counted from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Converts offsets to positions. It is fast if callers pass offsets in roughly ascending order.
pub(crate) struct Lines<'a> {
    source: &'a str,
    offset: usize,
    place: Place,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self {
            source,
            offset: 0,
            place: Place { line: 1, column: 1 },
        }
    }

    pub(crate) fn place(&mut self, offset: u32) -> Place {
        let offset = offset as usize;
        if offset < self.offset {
            *self = Self::new(self.source);
        }
        for character in self.source.get(self.offset..).unwrap_or_default().chars() {
            if self.offset >= offset {
                break;
            }
            self.offset += character.len_utf8();
            if character == '\n' {
                self.place = Place {
                    line: self.place.line + 1,
                    column: 1,
                };
            } else {
                self.place.column += 1;
            }
        }
        self.place
    }
}

/// Parses `text`. The error is the offset in `text` and a message.
pub(crate) fn parse<'a>(
    allocator: &'a Allocator,
    text: &'a str,
    kind: SourceType,
) -> Result<ParserReturn<'a>, (u32, String)> {
    accepted(Parser::new(allocator, text, kind).parse())
}

/// Parses `text` and keeps its tokens.
///
/// The parser panics on some invalid texts while it keeps tokens. So the text is first parsed without tokens, to make
/// sure that it has no errors.
pub(crate) fn parse_with_tokens<'a>(
    allocator: &'a Allocator,
    text: &'a str,
    kind: SourceType,
) -> Result<ParserReturn<'a>, (u32, String)> {
    parse(allocator, text, kind)?;
    accepted(
        Parser::new(allocator, text, kind)
            .with_config(TokensParserConfig)
            .parse(),
    )
}

fn accepted(parsed: ParserReturn<'_>) -> Result<ParserReturn<'_>, (u32, String)> {
    if let Some(error) = parsed.diagnostics.errors().next() {
        let offset = error.labels.first().map_or(0, |label| label.offset());
        return Err((offset, error.message.to_string()));
    }
    if parsed.panicked {
        return Err((0, "the parser gave up".to_owned()));
    }
    Ok(parsed)
}

/// Returns true if `character` ends a line in JavaScript.
pub(crate) fn ends_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

/// Returns the text at `span`.
pub(crate) fn text_at(source: &str, span: Span) -> Option<&str> {
    source.get(span.start as usize..span.end as usize)
}

/// Upper bound of the parser's stack use for each byte of source, with a margin.
///
/// The recursion depth follows the nesting of the source, which a hostile package controls. The worst input found is a
/// file of opening brackets: 1.8 KiB a byte in an unoptimised build.
const STACK_PER_BYTE: usize = 2 * 1024;

/// The stack size in bytes for a thread that parses many files. The system commits only the pages that are used.
pub(crate) const STACK_SIZE: usize = 512 * 1024 * 1024;

/// Runs `work`, which parses `source`. It runs on this thread if `available` bytes of stack are enough, else on a new
/// thread with a larger stack.
pub(crate) fn with_stack<T: Send>(
    source: &str,
    available: usize,
    work: impl FnOnce() -> Result<T, SyntaxProblem> + Send,
) -> Result<T, SyntaxProblem> {
    let needed = source.len().saturating_mul(STACK_PER_BYTE);
    if needed <= available {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(needed);
        match thread
            .spawn_scoped(scope, work)
            .map(std::thread::ScopedJoinHandle::join)
        {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(SyntaxProblem::at(
                source,
                0,
                "the file is too large to be parsed here",
            )),
        }
    })
}
