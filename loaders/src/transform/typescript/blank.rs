//! The tokens of a source that are removed, and the characters that replace them.

use std::collections::{BTreeMap, BTreeSet};

use oxc_parser::{Kind, Token};
use oxc_span::Span;

use crate::syntax::ends_line;

/// The tokens of a source, with a mark for each token that is removed.
pub(super) struct Blanks<'t> {
    tokens: &'t [Token],
    dropped: Vec<bool>,
    /// The character to write in place of a removed one, by its offset.
    written: BTreeMap<u32, char>,
    /// The removed tokens at the start of a statement or class element. The preceding statement may end only because of
    /// the line break.
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

    /// Returns the index of the first token at or after `offset`.
    fn index(&self, offset: u32) -> usize {
        self.tokens.partition_point(|token| token.start() < offset)
    }

    /// Returns the first token at or after `offset`.
    pub(super) fn token(&self, offset: u32) -> Option<Token> {
        self.tokens.get(self.index(offset)).copied()
    }

    /// Returns the last token that ends at or before `offset`.
    pub(super) fn token_before(&self, offset: u32) -> Option<Token> {
        self.tokens.get(self.index(offset).checked_sub(1)?).copied()
    }

    fn drop_index(&mut self, index: usize) {
        if let Some(dropped) = self.dropped.get_mut(index) {
            *dropped = true;
        }
    }

    /// Removes all tokens in `span`.
    pub(super) fn drop_span(&mut self, span: Span) {
        for index in self.index(span.start)..self.index(span.end) {
            self.drop_index(index);
        }
    }

    /// Removes the tokens in `span` that are of one of these kinds.
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

    /// Removes the next token from `offset` on if it is of this kind.
    pub(super) fn drop_next(&mut self, offset: u32, kind: Kind) {
        let index = self.index(offset);
        if self.tokens.get(index).is_some_and(|token| token.kind() == kind) {
            self.drop_index(index);
        }
    }

    /// Removes `token` and writes `character` at `offset`, whose own character is removed as well.
    pub(super) fn move_token(&mut self, token: Token, character: char, offset: u32) {
        self.drop_span(token.span());
        self.written.insert(offset, character);
    }

    /// Records that a statement or class element begins at `offset`. If its first token is removed, a `;` may be needed
    /// to separate it from the previous one.
    pub(super) fn begins(&mut self, offset: u32) {
        let index = self.index(offset);
        if self.dropped.get(index) == Some(&true) {
            self.beginnings.insert(index);
        }
    }

    /// Records that a statement or class element ends with `span`. If its last tokens are removed, a `;` is written.
    /// Otherwise the next line might continue the statement, which has no `;` of its own.
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

    /// Writes `source` with the removed tokens blanked. Text between two removed tokens is removed too, except for line
    /// breaks.
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
            // A `;` is not needed for the first statement, after `{` or after `;`.
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
                    // Engines and editors count columns in UTF-16 units.
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
