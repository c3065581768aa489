//! A filter on the heads of requests as the bytes arrive. It rejects input that the HTTP parser would accept.

/// A byte that is invalid everywhere in a head. The parser rejects the request (status 400).
const REFUSED: u8 = 0;

/// The length of the longest header name that the filter looks for.
const NAME: usize = "transfer-encoding".len();

/// Detects line feeds without a carriage return, and `#` in the request line.
///
/// An intermediate server may treat a bare line feed as part of a line or as its end. One request could then be taken
/// for two. The parser drops everything after `#`, so that one blob would have several addresses.
#[derive(Debug)]
pub(super) struct Head {
    state: State,
    /// The previous byte.
    previous: u8,
    /// The length of the current line, and its first bytes.
    length: usize,
    start: [u8; NAME + 1],
    has_body: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    RequestLine,
    Headers,
    /// The rest is not a head. The connection ends with this request.
    Over,
}

impl Head {
    pub(super) fn new() -> Self {
        Self {
            state: State::RequestLine,
            previous: 0,
            length: 0,
            start: [0; NAME + 1],
            has_body: false,
        }
    }

    /// Returns true if the last head announces a body. The connection must then not serve another request, because this
    /// filter does not know where the body ends.
    pub(super) fn has_body(&self) -> bool {
        self.has_body
    }

    /// Checks the bytes that arrived, and overwrites the first invalid one.
    pub(super) fn watch(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.state == State::Over {
                return;
            }
            if self.is_refused(*byte) {
                *byte = REFUSED;
                self.state = State::Over;
                return;
            }
            self.take(*byte);
        }
    }

    fn is_refused(&self, byte: u8) -> bool {
        let ends_line = byte == b'\n';
        let after_return = self.previous == b'\r';
        ends_line != after_return || byte == b'#' && self.state == State::RequestLine
    }

    fn take(&mut self, byte: u8) {
        self.previous = byte;
        if byte != b'\n' {
            if let Some(place) = self.start.get_mut(self.length) {
                *place = byte;
            }
            self.length += 1;
            return;
        }
        // The length without the carriage return.
        let length = self.length.saturating_sub(1);
        self.length = 0;
        match self.state {
            // Skip empty lines before a request.
            State::RequestLine if length == 0 => {}
            State::RequestLine => self.state = State::Headers,
            State::Headers if length == 0 && self.has_body => self.state = State::Over,
            State::Headers if length == 0 => self.state = State::RequestLine,
            State::Headers => self.has_body |= self.announces_body(length),
            State::Over => {}
        }
    }

    /// Returns true if the line of this length is a header that announces a body.
    fn announces_body(&self, length: usize) -> bool {
        let line = self.start.get(..length).unwrap_or(&self.start);
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
    }
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
        assert_eq!((&whole, head.has_body()), (&single, other.has_body()));
        (String::from_utf8(whole).unwrap(), head.has_body())
    }

    /// STORE-25.
    #[test]
    fn ambiguous_heads_are_rejected() {
        for (given, expected) in [
            ("GET / HTTP/1.1\nA: b\r\n\r\n", "GET / HTTP/1.1\0A: b\r\n\r\n"),
            ("GET / HTTP/1.1\r\nA: b\n\r\n", "GET / HTTP/1.1\r\nA: b\0\r\n"),
            ("GET / HTTP/1.1\r\nA: b\r\n\n", "GET / HTTP/1.1\r\nA: b\r\n\0"),
            (
                "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\r\0: d\r\n\r\n",
            ),
            ("\nGET / HTTP/1.1\r\n\r\n", "\0GET / HTTP/1.1\r\n\r\n"),
            ("GET /#a HTTP/1.1\r\n\r\n", "GET /\0a HTTP/1.1\r\n\r\n"),
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

    /// STORE-25: the filter ignores bodies.
    #[test]
    fn bodies_are_ignored() {
        for header in [
            "content-length: 3",
            "Transfer-Encoding: chunked",
            "CONTENT-LENGTH:3",
        ] {
            let text = format!("PUT / HTTP/1.1\r\nA: b\r\n{header}\r\n\r\n\n#\n");
            assert_eq!(watched(&text), (text.clone(), true));
        }
    }
}
