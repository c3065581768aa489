//! The protocol of a connection, by its first bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of a client that uses HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection, and the protocol that they show.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_http2: bool,
}

/// Reads until the bytes show the protocol. The caller must limit the time.
pub(crate) async fn opening(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Opening> {
    let mut bytes = Vec::with_capacity(PREFACE.len());
    loop {
        let Some(rest) = PREFACE.strip_prefix(&*bytes) else {
            return Ok(Opening {
                bytes,
                is_http2: false,
            });
        };
        if rest.is_empty() {
            return Ok(Opening {
                bytes,
                is_http2: true,
            });
        }
        if stream.take(rest.len() as u64).read_buf(&mut bytes).await? == 0 {
            return Ok(Opening {
                bytes,
                is_http2: false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_bytes_show_the_protocol() {
        for (sent, read, is_http2) in [
            (
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                false,
            ),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n1234", PREFACE, true),
            (
                b"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n1234",
                b"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n",
                false,
            ),
            (b"PRI", b"PRI", false),
            (b"", b"", false),
        ] {
            let opening = opening(&mut &*sent).await.unwrap();
            assert_eq!((&*opening.bytes, opening.is_http2), (read, is_http2));
        }
    }
}
