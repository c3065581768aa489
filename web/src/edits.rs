//! Changes to a text.

use oxc_span::Span;

/// Replacements of parts of a text.
#[derive(Default)]
pub(crate) struct Edits(Vec<Edit>);

struct Edit {
    start: usize,
    end: usize,
    text: String,
}

impl Edits {
    /// Replaces a part of the source. The result has the same lines.
    pub(crate) fn replace(&mut self, source: &str, start: u32, end: u32, text: impl Into<String>) {
        let (start, end) = (start as usize, end as usize);
        let mut text = text.into();
        let lines = source.get(start..end).unwrap_or_default().matches('\n').count();
        text.push_str(&"\n".repeat(lines));
        self.0.push(Edit { start, end, text });
    }

    /// Returns a part of the source with the changes, or the position of a change that overlaps another one.
    pub(crate) fn apply(mut self, source: &str, part: Span) -> Result<String, usize> {
        // Changes at one position keep their order, but inserted text precedes a replacement.
        self.0.sort_by_key(|edit| (edit.start, edit.end != edit.start));
        let mut text = String::with_capacity(part.size() as usize);
        let mut at = part.start as usize;
        for edit in self.0 {
            text.push_str(source.get(at..edit.start).ok_or(edit.start)?);
            text.push_str(&edit.text);
            at = edit.end;
        }
        text.push_str(source.get(at..part.end as usize).ok_or(at)?);
        Ok(text)
    }
}
