//! The tokens of a source that are left out, and what is written in their place.

use std::collections::{BTreeMap, BTreeSet};

use oxc_parser::{Kind, Token};
use oxc_span::Span;

use crate::syntax::ends_line;

/// The tokens of a source, and what is to become of them.
pub(super) struct Blanks<'t> {
    tokens: &'t [Token],
    dropped: Vec<bool>,
    /// What takes the place of a character that is left out, by the character's offset.
    written: BTreeMap<u32, char>,
    /// The tokens that a statement or an element of a class begins with, and that are left out: what stands before them may
    /// have ended by the end of its line alone.
    beginnings: BTreeSet<usize>,
}

impl<'t> Blanks<'t> {
    pub(super) fn new(tokens: &'t [Token]) -> Self {
        Self {
            tokens,
            dropped: vec![false; tokens.len()],
            written: BTreeMap::new(),
            beginnings: BTreeSet::new(),
        }
    }

    /// The index of the first token at `offset` or after it.
    fn index(&self, offset: u32) -> usize {
        self.tokens.partition_point(|token| token.start() < offset)
    }

    /// The first token at `offset` or after it.
    pub(super) fn token(&self, offset: u32) -> Option<Token> {
        self.tokens.get(self.index(offset)).copied()
    }

    /// The last token that ends at `offset` or before it.
    pub(super) fn token_before(&self, offset: u32) -> Option<Token> {
        self.tokens.get(self.index(offset).checked_sub(1)?).copied()
    }

    fn drop_index(&mut self, index: usize) {
        if let Some(dropped) = self.dropped.get_mut(index) {
            *dropped = true;
        }
    }

    /// Leaves out all tokens at `span`.
    pub(super) fn drop_span(&mut self, span: Span) {
        for index in self.index(span.start)..self.index(span.end) {
            self.drop_index(index);
        }
    }

    /// Leaves out the tokens at `span` that are of one of these kinds.
    pub(super) fn drop_kinds(&mut self, span: Span, kinds: &[Kind]) {
        for index in self.index(span.start)..self.index(span.end) {
            if self
                .tokens
                .get(index)
                .is_some_and(|token| kinds.contains(&token.kind()))
            {
                self.drop_index(index);
            }
        }
    }

    /// Leaves out the next token from `offset` if it is of this kind.
    pub(super) fn drop_next(&mut self, offset: u32, kind: Kind) {
        let index = self.index(offset);
        if self.tokens.get(index).is_some_and(|token| token.kind() == kind) {
            self.drop_index(index);
        }
    }

    /// Leaves out `token` and writes `character` for what stands at `offset`, which is left out as well.
    pub(super) fn move_token(&mut self, token: Token, character: char, offset: u32) {
        self.drop_span(token.span());
        self.written.insert(offset, character);
    }

    /// A statement or an element of a class begins at `offset`. If its first token is left out, a `;` may have to say that
    /// it begins.
    pub(super) fn begins(&mut self, offset: u32) {
        let index = self.index(offset);
        if self.dropped.get(index) == Some(&true) {
            self.beginnings.insert(index);
        }
    }

    /// A statement or an element of a class ends with `span`. If its last tokens are left out, a `;` says that it ends: it
    /// has none of its own, and without these tokens the next line may continue it.
    pub(super) fn ends(&mut self, span: Span) {
        let mut first = self.index(span.end);
        let begin = self.index(span.start);
        while first > begin && self.dropped.get(first - 1) == Some(&true) {
            first -= 1;
        }
        if first < self.index(span.end)
            && let Some(token) = self.tokens.get(first)
        {
            self.written.insert(token.start(), ';');
        }
    }

    /// `source`, whose tokens these are, with blanks. What stands between two tokens that are left out goes with them, but
    /// for the ends of lines.
    pub(super) fn write(mut self, source: &str) -> String {
        let mut text = String::with_capacity(source.len());
        let mut done = 0;
        let mut before = None;
        let mut tokens = self.tokens.iter().zip(&self.dropped).enumerate().peekable();
        while let Some((first, (token, dropped))) = tokens.next() {
            if !dropped {
                before = Some(token.kind());
                continue;
            }
            let mut end = token.end();
            while let Some((_, (token, _))) = tokens.next_if(|(_, (_, dropped))| **dropped) {
                end = token.end();
            }
            // Nothing that could go on stands before the first statement, behind `{` or behind `;`.
            if self.beginnings.contains(&first)
                && !matches!(before, None | Some(Kind::LCurly | Kind::Semicolon))
            {
                self.written.insert(token.start(), ';');
            }
            let (start, end) = (token.start() as usize, end as usize);
            text.push_str(source.get(done..start).unwrap_or_default());
            for (offset, character) in source.get(start..end).unwrap_or_default().char_indices() {
                let written = u32::try_from(start + offset)
                    .ok()
                    .and_then(|offset| self.written.get(&offset));
                if ends_line(character) {
                    text.push(character);
                } else {
                    // Engines and editors count columns in units of UTF-16.
                    text.push(written.copied().unwrap_or(' '));
                    text.extend(std::iter::repeat_n(' ', character.len_utf16() - 1));
                }
            }
            done = end;
        }
        text.push_str(source.get(done..).unwrap_or_default());
        text
    }
}
