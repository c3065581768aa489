//! What everything that parses source code shares: places in it, the errors, and the stack that parsing needs.

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
    /// What is wrong.
    pub message: String,
    /// The source line, or a part of a long one.
    pub excerpt: String,
    /// The column within `excerpt`, counted from 1.
    pub excerpt_column: usize,
}

impl SyntaxProblem {
    /// The problem `message` at the byte `offset` of `source`.
    pub(crate) fn at(source: &str, offset: u32, message: &str) -> Self {
        const SHOWN: usize = 60;
        let place = Lines::new(source).place(offset);
        let line = source.split('\n').nth(place.line - 1).unwrap_or_default();
        // Minified files are one line: show what stands around the place.
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

/// A line and column of a source, both counted from 1; columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Turns offsets into places; offsets are asked for in roughly ascending order.
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

/// Parses `text`. An error is its message and the offset in `text`.
pub(crate) fn parse<'a>(
    allocator: &'a Allocator,
    text: &'a str,
    kind: SourceType,
) -> Result<ParserReturn<'a>, (u32, String)> {
    accepted(Parser::new(allocator, text, kind).parse())
}

/// Parses `text`, and keeps its tokens.
///
/// While it keeps tokens, the parser panics over some texts that have errors. So it first says that there is none.
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

/// Whether JavaScript ends a line with `character`.
pub(crate) fn ends_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

/// The text at `span`.
pub(crate) fn text_at(source: &str, span: Span) -> Option<&str> {
    source.get(span.start as usize..span.end as usize)
}

/// What the parser needs of stack at most for one byte of source, with room to spare. It descends
/// with the nesting of the source, which a hostile package chooses: the worst found is a file of
/// opening brackets, with 1.8 KiB a byte in an unoptimised build.
const STACK_PER_BYTE: usize = 2 * 1024;

/// The stack that a thread which parses many files should have, in bytes. Only what is used of it becomes
/// memory.
pub(crate) const STACK_SIZE: usize = 512 * 1024 * 1024;

/// Does `work`, which parses `source`: here if `available` bytes of stack suffice, else on a thread that has enough.
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
