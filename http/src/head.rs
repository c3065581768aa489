//! A filter on HTTP/1.1 requests as the bytes arrive. It rejects requests that the HTTP parser would accept, although
//! another server could find other requests in the same bytes (request smuggling).

/// A byte that is invalid everywhere in a head, and in chunks outside of their extensions. The parser rejects the
/// request (status 400).
const REFUSED: u8 = 0;

/// The number of bytes of a line that the filter keeps. A longer header that tells the length of a body is rejected.
const KEPT: usize = 64;

/// The most digits of a chunk's size. More of them could exceed the bytes of the line that the filter keeps.
const MAX_DIGITS: usize = 16;

/// Detects line feeds without a carriage return, `#` in the request line, and more than one statement about the length
/// of a body.
///
/// An intermediate server may treat a bare line feed as part of a line or as its end. It may believe the one or the
/// other of two lengths (RFC 9112, section 11.2). The parser drops everything after `#`, so that one resource would
/// have several addresses.
///
/// The filter follows the bodies, so that it finds the next head. It only rejects: a difference between the filter and
/// the parser cannot make a request pass that the parser rejects.
#[derive(Debug)]
pub struct Head {
    state: State,
    /// The previous byte of a head.
    previous: u8,
    /// The length of the current line, and its first bytes.
    length: usize,
    start: [u8; KEPT],
    /// The length of the body, if the current head states one.
    body: Option<Length>,
    had_body: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(u64),
    Chunked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    RequestLine,
    Headers,
    /// So many bytes of a body are left.
    Body(u64),
    /// The line with the size of a chunk.
    Size,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// The end of the line after a chunk.
    ChunkEnd,
    Trailers,
    /// A byte was rejected.
    Over,
}

impl Default for Head {
    fn default() -> Self {
        Head::new()
    }
}

impl Head {
    /// Creates the filter of a connection that has not received a byte.
    pub fn new() -> Self {
        Self {
            state: State::RequestLine,
            previous: 0,
            length: 0,
            start: [0; KEPT],
            body: None,
            had_body: false,
        }
    }

    /// Returns true if a head has announced a body.
    pub fn had_body(&self) -> bool {
        self.had_body
    }

    /// Returns true after a complete request, and before the first one.
    pub fn is_between_requests(&self) -> bool {
        self.state == State::RequestLine && self.length == 0
    }

    /// Checks the bytes that arrived, and overwrites the first invalid one. What follows it has only ends of lines.
    ///
    /// So no later byte can be a request, even if the parser overlooks the invalid one.
    pub fn watch(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        loop {
            match self.state {
                State::Over => {
                    // The parser may wait for the end of the head before it rejects it.
                    rest.iter_mut()
                        .filter(|byte| !b"\r\n".contains(byte))
                        .for_each(|byte| *byte = REFUSED);
                    return;
                }
                State::Body(left) | State::Chunk(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - skipped as u64;
                    self.state = match (self.state, left) {
                        (State::Chunk(_), 0) => State::ChunkEnd,
                        (_, 0) => State::RequestLine,
                        (State::Chunk(_), _) => State::Chunk(left),
                        _ => State::Body(left),
                    };
                    let Some((_, after)) = rest.split_at_mut_checked(skipped) else {
                        return;
                    };
                    rest = after;
                    if left > 0 {
                        return;
                    }
                }
                _ => {
                    let Some((byte, after)) = rest.split_first_mut() else {
                        return;
                    };
                    let is_extension = self.state == State::Size && self.previous != b'\r';
                    if self.take(*byte).is_none() {
                        // The parser accepts any byte but a line feed in the extensions of a chunk.
                        *byte = if is_extension { b'\n' } else { REFUSED };
                        self.state = State::Over;
                    }
                    rest = after;
                }
            }
        }
    }

    /// Takes a byte of a line. Returns `None` if it must be rejected.
    fn take(&mut self, byte: u8) -> Option<()> {
        let ends_line = byte == b'\n';
        let after_return = std::mem::replace(&mut self.previous, byte) == b'\r';
        if ends_line != after_return || byte == b'#' && self.state == State::RequestLine {
            return None;
        }
        if !ends_line {
            if let Some(place) = self.start.get_mut(self.length) {
                *place = byte;
            }
            self.length += 1;
            return Some(());
        }
        // The length without the carriage return.
        let length = std::mem::take(&mut self.length).saturating_sub(1);
        let line = self.start.get(..length);
        self.state = match self.state {
            // The parser skips empty lines before a request.
            State::RequestLine if length == 0 => State::RequestLine,
            State::RequestLine => State::Headers,
            State::Headers if length == 0 => match self.body.take() {
                None | Some(Length::Known(0)) => State::RequestLine,
                Some(Length::Known(bytes)) => State::Body(bytes),
                Some(Length::Chunked) => State::Size,
            },
            State::Headers => {
                let announced = self.announced(length)?;
                if announced.is_some() {
                    if self.body.is_some() {
                        return None;
                    }
                    self.body = announced;
                    self.had_body = true;
                }
                State::Headers
            }
            State::Size => match size(line.unwrap_or(&self.start))? {
                0 => State::Trailers,
                bytes => State::Chunk(bytes),
            },
            State::ChunkEnd if length == 0 => State::Size,
            State::ChunkEnd => return None,
            State::Trailers if length == 0 => State::RequestLine,
            state => state,
        };
        Some(())
    }

    /// Returns the length of a body, if this header states it. Returns `None` if the statement must be rejected.
    #[expect(clippy::option_option, reason = "the outer one is the rejection")]
    fn announced(&self, length: usize) -> Option<Option<Length>> {
        let line = self.start.get(..length).unwrap_or(&self.start);
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        if !is_length && !name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Some(None);
        }
        if length > KEPT {
            return None;
        }
        let value = parts.next()?.trim_ascii();
        if !is_length {
            let is_chunked = value.eq_ignore_ascii_case(b"chunked");
            return is_chunked.then_some(Some(Length::Chunked));
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        Some(Some(Length::Known(text.parse().ok()?)))
    }
}

/// Returns the size that begins a line before a chunk, in bytes. Extensions may follow.
///
/// The size must have few digits. `line` may be cut off, and a parser that reads all of 70 digits would find another
/// size.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, after) = line.split_at_checked(digits)?;
    if digits.len() > MAX_DIGITS || !matches!(after.first(), None | Some(b';' | b' ' | b'\t')) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the filtered bytes. Checks that bytes that arrive at once and bytes that arrive one by one give the same
    /// result.
    fn watched(bytes: &str) -> (String, bool) {
        let mut whole = bytes.as_bytes().to_vec();
        let mut head = Head::new();
        head.watch(&mut whole);
        let mut single = bytes.as_bytes().to_vec();
        let mut other = Head::new();
        single.chunks_mut(1).for_each(|byte| other.watch(byte));
        assert_eq!((&whole, head.had_body()), (&single, other.had_body()));
        (String::from_utf8(whole).unwrap(), head.had_body())
    }

    /// STORE-25.
    #[test]
    fn ambiguous_heads_are_rejected() {
        for (given, expected) in [
            ("GET / HTTP/1.1\nA: b\r\n\r\n", "GET / HTTP/1.1\0\0\0\0\0\r\n\r\n"),
            ("GET / HTTP/1.1\r\nA: b\n\r\n", "GET / HTTP/1.1\r\nA: b\0\r\n"),
            ("GET / HTTP/1.1\r\nA: b\r\n\n", "GET / HTTP/1.1\r\nA: b\r\n\0"),
            (
                "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\r\0\0\0\0\r\n\r\n",
            ),
            (
                "\nGET / HTTP/1.1\r\n\r\n",
                "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
            ),
            ("GET /#a HTTP/1.1\r\n\r\n", "GET /\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n"),
            (
                "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\n\r\n",
                "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\0\r\n",
            ),
        ] {
            assert_eq!(watched(given), (expected.to_owned(), false), "{given:?}");
        }
        let text = "\r\n\r\nGET / HTTP/1.1\r\nA: #\r\nX-Content-Length: 5\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
        assert_eq!(watched(text), (text.to_owned(), false));
    }

    /// SERVE-20: each head states the length of its body at most once.
    #[test]
    fn lengths_that_contradict_are_rejected() {
        for headers in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: +3\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            &format!("Transfer-Encoding: {}chunked\r\n", " ".repeat(KEPT)),
        ] {
            let text = format!("POST / HTTP/1.1\r\n{headers}\r\n3\r\nabc\r\n0\r\n\r\n");
            assert!(watched(&text).0.contains('\0'), "{headers:?}");
        }
    }

    /// SERVE-20: the filter ignores bodies, and finds the head after them.
    #[test]
    fn bodies_are_ignored_and_the_next_head_is_found() {
        let next = "GET / HTTP/1.1\n\r\n";
        for (headers, body) in [
            ("content-length: 3", "\n#\n"),
            ("CONTENT-LENGTH:3", "\r\r\r"),
            ("content-length: 0", ""),
            ("Transfer-Encoding: chunked", "3\r\n\n#\n\r\n0\r\n\r\n"),
            (
                "Transfer-Encoding: Chunked",
                "a;x=\"y\"\r\n0123456789\r\n1 \r\n\n\r\n0\r\nA: b\r\n\r\n",
            ),
        ] {
            let whole = format!("PUT / HTTP/1.1\r\nA: b\r\n{headers}\r\n\r\n{body}");
            assert_eq!(watched(&whole), (whole.clone(), true));
            let (filtered, _) = watched(&format!("{whole}{next}"));
            assert_eq!(filtered, format!("{whole}GET / HTTP/1.1\0\r\n"), "{headers}");
        }
        for body in [
            "3\nabc",
            "3\r\nabcd\r\n",
            "x\r\n",
            "fffffffffffffffff\r\n",
            "3\r\nabc\n",
        ] {
            let text = format!("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert!(watched(&text).0.contains('\0'), "{body:?}");
        }
    }

    /// SERVE-20: the filter kept 64 bytes of a line, and so took a size of 70 digits for the last chunk. After it, the
    /// filter could be led to ignore the heads that the parser read.
    #[test]
    fn sizes_with_many_digits_are_rejected() {
        let head = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (zeros, is_rejected) in [(0, false), (15, false), (16, true), (63, true), (70, true)] {
            let body = format!("{}5\r\nabcde\r\n0\r\n\r\n", "0".repeat(zeros));
            assert_eq!(
                watched(&format!("{head}{body}")).0.contains('\0'),
                is_rejected,
                "{zeros}"
            );
        }
    }

    /// SERVE-22: the parser accepted the overwritten byte in the extensions of a chunk, and the filter had stopped.
    #[test]
    fn invalid_extensions_are_rejected() {
        let text = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;\nGET /\r\n";
        assert_eq!(watched(text).0, text.replace("GET /", "\0\0\0\0\0"));
        let text = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;\r;\r\n";
        assert_eq!(watched(text).0, text.replace("\r;", "\r\0"));
    }

    #[test]
    fn a_filter_knows_the_end_of_a_request() {
        let text = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        for end in 0..=text.len() {
            let mut bytes = text.as_bytes()[..end].to_vec();
            let mut head = Head::new();
            head.watch(&mut bytes);
            assert_eq!(head.is_between_requests(), end == 0 || end == text.len(), "{end}");
        }
    }
}
