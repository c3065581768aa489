use secure_runtime_http::Head;

use crate::Outcome;

/// The length of a body, as its head states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
}

/// The outcome of reading a head or a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Incomplete,
    Rejected,
}

/// Filters the input like the bytes of a connection. The first byte decides in which pieces they arrive.
///
/// The pieces must not matter. After the first byte that the filter changed, it must leave only ends of lines. A parser
/// that is more tolerant than the server's reads the filtered bytes. Each head that it finds must state at most one
/// length. In a head, each line feed must have a carriage return before it.
pub fn request_heads(data: &[u8]) -> Outcome {
    let Some((split, bytes)) = data.split_first() else {
        return Outcome::default();
    };
    let (filtered, had_body) = filter(bytes, bytes.len().max(1));
    for size in [1, usize::from(split % 7) + 2, usize::from(*split) + 1] {
        assert_eq!(
            (&filtered, had_body),
            (&filter(bytes, size).0, filter(bytes, size).1),
            "{size}"
        );
    }
    let changed = bytes.iter().zip(&filtered).position(|(one, other)| one != other);
    if let Some(changed) = changed {
        let rest = &filtered[changed..];
        assert!(rest.iter().all(|byte| b"\r\n\0".contains(byte)), "{rest:?}");
    }
    let (heads, end) = heads(&filtered);
    assert!(
        had_body || heads.iter().all(Option::is_none),
        "the filter missed a body"
    );
    Outcome::of(&(
        heads.len().min(4),
        heads.first(),
        heads.last(),
        changed.is_some(),
        end,
    ))
}

fn filter(bytes: &[u8], size: usize) -> (Vec<u8>, bool) {
    let (mut bytes, mut head) = (bytes.to_vec(), Head::new());
    bytes.chunks_mut(size).for_each(|piece| head.watch(piece));
    (bytes, head.had_body())
}

/// Returns the length that each head of a connection states, and the reason why there are no more heads.
fn heads(mut bytes: &[u8]) -> (Vec<Option<Length>>, End) {
    let mut found = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let size = match request.parse(bytes) {
            Ok(httparse::Status::Complete(size)) => size,
            Ok(httparse::Status::Partial) => return (found, End::Incomplete),
            Err(_) => return (found, End::Rejected),
        };
        let (head, rest) = bytes.split_at(size);
        assert!(has_only_whole_lines(head), "{head:?}");
        let lengths: Vec<Result<Length, ()>> = request.headers.iter().filter_map(length).collect();
        assert!(
            lengths.len() <= 1 && !lengths.contains(&Err(())),
            "{:?}",
            String::from_utf8_lossy(head)
        );
        let target = request.path.unwrap_or_default();
        assert!(!target.contains('#'), "{target}");
        let length = lengths.into_iter().flatten().next();
        found.push(length);
        let body = match length {
            None => Ok(0),
            Some(Length::Known(size)) if size <= rest.len() => Ok(size),
            Some(Length::Known(_)) => Err(End::Incomplete),
            Some(Length::Chunked) => chunks(rest),
        };
        match body {
            Ok(size) => bytes = &rest[size..],
            Err(end) => return (found, end),
        }
    }
}

/// Returns the length of the body if this header states it. It is an error if servers may disagree about it.
fn length(header: &httparse::Header<'_>) -> Option<Result<Length, ()>> {
    let value = String::from_utf8_lossy(header.value).trim().to_lowercase();
    match header.name.to_lowercase().as_str() {
        "transfer-encoding" if value == "chunked" => Some(Ok(Length::Chunked)),
        "transfer-encoding" => Some(Err(())),
        "content-length" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(value.parse().map(Length::Known).map_err(|_| ()))
        }
        "content-length" => Some(Err(())),
        _ => None,
    }
}

fn has_only_whole_lines(text: &[u8]) -> bool {
    let mut previous = 0;
    text.iter()
        .all(|byte| (std::mem::replace(&mut previous, *byte) == b'\r') == (*byte == b'\n'))
}

/// Returns the size of a body in chunks, with its trailers.
fn chunks(bytes: &[u8]) -> Result<usize, End> {
    let mut place = 0;
    loop {
        let line = line(bytes, &mut place)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        // Like the server's parser, this one accepts any number of zeros.
        let size = line[..digits].iter().try_fold(0_u64, |size, digit| {
            let digit = (*digit as char).to_digit(16)?;
            size.checked_mul(16)?.checked_add(digit.into())
        });
        let after = line[digits..].trim_ascii_start().first();
        let (Some(size), true, None | Some(b';')) = (size, digits > 0, after) else {
            return Err(End::Rejected);
        };
        if size == 0 {
            while !self::line(bytes, &mut place)?.is_empty() {}
            return Ok(place);
        }
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| place.checked_add(size))
            .ok_or(End::Incomplete)?;
        if end > bytes.len() {
            return Err(End::Incomplete);
        }
        place = end;
        if !self::line(bytes, &mut place)?.is_empty() {
            return Err(End::Rejected);
        }
    }
}

/// Returns the line at this place, without its end, and moves the place behind it. A line feed elsewhere is rejected.
fn line<'a>(bytes: &'a [u8], place: &mut usize) -> Result<&'a [u8], End> {
    let rest = &bytes[*place..];
    let end = rest
        .iter()
        .position(|byte| b"\r\n".contains(byte))
        .ok_or(End::Incomplete)?;
    match rest.get(end..end + 2) {
        Some(b"\r\n") => {}
        None if rest[end] == b'\r' => return Err(End::Incomplete),
        _ => return Err(End::Rejected),
    }
    *place += end + 2;
    Ok(&rest[..end])
}
