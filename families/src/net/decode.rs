//! Decoding of compressed bodies (RFC 9110, section 8.4).
//!
//! A decoder takes memory that the server chooses: the size of its window. It is read from the beginning of the body,
//! and counts for the isolate before the decoder exists.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use futures_util::TryStreamExt;
use reqwest::header::{self, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio_util::io::StreamReader;

/// The codings that requests accept.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// Maximum number of codings of one body. No server has a reason for more than one.
const MOST_CODINGS: usize = 3;
/// Size of a piece of a decoded body, in bytes.
const PIECE: usize = 16 << 10;
/// Memory of a decoder besides its window, in bytes.
const TABLES: usize = 192 << 10;
/// Base-two logarithm of the largest window of zstd for contents of HTTP (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// A coding of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// A body without its codings.
pub(super) type Decoded = Pin<Box<dyn AsyncRead>>;

impl Coding {
    fn of(name: &str) -> Option<Coding> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Brotli,
            "zstd" => Coding::Zstd,
            _ => return None,
        })
    }

    /// Returns the memory of a decoder, in bytes, for a body with this first byte.
    fn memory(self, first: u8) -> usize {
        TABLES
            + match self {
                Coding::Gzip | Coding::Deflate => 32 << 10,
                Coding::Brotli => 2 << brotli_window(first),
                Coding::Zstd => 1 << ZSTD_WINDOW,
            }
    }

    fn decoder(self, encoded: Pin<Box<dyn AsyncBufRead>>) -> Decoded {
        match self {
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(encoded);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Coding::Deflate => Box::pin(ZlibDecoder::new(encoded)),
            Coding::Brotli => Box::pin(BrotliDecoder::new(encoded)),
            Coding::Zstd => Box::pin(ZstdDecoder::with_params(
                encoded,
                &[DParameter::window_log_max(ZSTD_WINDOW)],
            )),
        }
    }
}

/// Returns the base-two logarithm of the window of a brotli stream with this first byte (RFC 7932, section 9.1).
fn brotli_window(first: u8) -> u32 {
    let (three, next) = (u32::from(first >> 1 & 7), u32::from(first >> 4 & 7));
    match (first & 1, three, next) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        // A large window, which HTTP does not have: the decoder refuses it.
        (_, 0, 1) => 10,
        (_, 0, next) => 8 + next,
        (_, three, _) => 17 + three,
    }
}

/// Returns the codings of a body, in the order in which they were applied. There are none if one of them is unknown:
/// such a body is passed on as it is.
pub(super) fn codings(headers: &HeaderMap) -> Vec<Coding> {
    let names: Option<Vec<&str>> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .map(|value| value.to_str().ok())
        .collect();
    let names = names.unwrap_or_default();
    let names = names
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    let known: Option<Vec<Coding>> = names.map(Coding::of).collect();
    known
        .filter(|known| known.len() <= MOST_CODINGS)
        .unwrap_or_default()
}

/// Returns the decoded body of a response. `reserve` counts memory of the decoders, in bytes.
///
/// # Errors
/// The body cannot be received, or `reserve` has no room.
pub(super) async fn decoded<E: From<io::Error>>(
    response: reqwest::Response,
    codings: &[Coding],
    mut reserve: impl FnMut(usize) -> Result<(), E>,
) -> Result<Decoded, E> {
    let pieces = response.bytes_stream().map_err(io::Error::other);
    let mut encoded: Pin<Box<dyn AsyncBufRead>> = Box::pin(StreamReader::new(pieces));
    for (at, coding) in codings.iter().rev().enumerate() {
        let Some(first) = encoded.fill_buf().await?.first().copied() else {
            // An empty body has no codings.
            return Ok(Box::pin(tokio::io::empty()));
        };
        reserve(coding.memory(first))?;
        let decoder = coding.decoder(encoded);
        if at + 1 == codings.len() {
            return Ok(decoder);
        }
        encoded = Box::pin(BufReader::with_capacity(PIECE, decoder));
    }
    Ok(Box::pin(encoded))
}

/// Returns the next piece of a decoded body, which is empty at the end.
pub(super) async fn next(decoded: &mut Decoded) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    let length = decoded.read(&mut piece).await?;
    piece.truncate(length);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_brotli_are_those_of_its_first_byte() {
        // RFC 7932, section 9.1: WBITS, least significant bit first.
        let codes: [(u8, u32); 14] = [
            (0b0, 16),
            (0b010_0001, 10),
            (0b011_0001, 11),
            (0b100_0001, 12),
            (0b101_0001, 13),
            (0b110_0001, 14),
            (0b111_0001, 15),
            (0b000_0001, 17),
            (0b0011, 18),
            (0b0101, 19),
            (0b0111, 20),
            (0b1001, 21),
            (0b1011, 22),
            (0b1111, 24),
        ];
        for (byte, window) in codes {
            assert_eq!(brotli_window(byte), window, "{byte:#b}");
        }
        assert_eq!(brotli_window(0b1101), 23);
    }

    #[test]
    fn codings_are_all_known_or_none() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            codings(&headers)
        };
        assert_eq!(of(&["gzip"]), [Coding::Gzip]);
        assert_eq!(of(&["X-GZip , identity"]), [Coding::Gzip]);
        assert_eq!(
            of(&["deflate, br", "zstd"]),
            [Coding::Deflate, Coding::Brotli, Coding::Zstd]
        );
        assert_eq!(of(&[]), []);
        assert_eq!(of(&["gzip, compress"]), []);
        assert_eq!(of(&["gzip, gzip, gzip, gzip"]), []);
    }
}
