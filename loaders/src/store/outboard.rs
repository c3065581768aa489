//! The outboard of a blob: its hash tree in a separate file, which makes it possible to verify each group of bytes on
//! arrival.
//!
//! BLAKE3 hashes chunks of 1 KiB, and then pairs of hashes up to the root, which is the content hash. An *outboard*
//! contains the inner nodes of that tree down to groups of 16 KiB, without the bytes themselves. It need not be
//! trusted: each pair must have the hash that its parent states, and the root is known.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use blake3::Hasher;
use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};

use super::MAX_STREAM_SIZE;
use crate::ContentHash;

/// The number of bytes that are verified at once. An outboard then has 1/256 of the size of its blob.
pub(super) const GROUP: u64 = 16 * 1024;

/// The length of an outboard's header: the size of the blob as 64 bits, least significant byte first.
pub(super) const PREFIX: usize = 8;

/// The length of an inner node: the hashes of its two halves.
pub(super) const PAIR: usize = 64;

/// Returns the length of the outboard of a blob of `size` bytes.
pub(super) fn length(size: u64) -> u64 {
    PREFIX as u64 + pairs(size) * PAIR as u64
}

/// Returns the offset in an outboard of the pair with this number.
pub(super) fn position(pair: u64) -> u64 {
    PREFIX as u64 + pair * PAIR as u64
}

/// Returns the number of inner nodes in the tree of `size` bytes: one fewer than groups.
fn pairs(size: u64) -> u64 {
    size.div_ceil(GROUP).saturating_sub(1)
}

/// Reads `size` bytes, writes their outboard to `file`, and returns their hash.
///
/// # Errors
/// Returns the errors of `bytes` and `file`, and `UnexpectedEof` if there are fewer bytes.
pub(super) fn write(file: &File, bytes: &mut impl Read, size: u64) -> io::Result<ContentHash> {
    file.write_all_at(&size.to_le_bytes(), 0)?;
    make(bytes, size, |pair, node| file.write_all_at(node, position(pair)))
}

/// Reads `size` bytes, calls `write` with the number and the content of each inner node, and returns the hash of the
/// bytes.
///
/// # Errors
/// Returns the errors of `bytes` and `write`, and `UnexpectedEof` if there are fewer bytes.
pub(super) fn make(
    bytes: &mut impl Read,
    size: u64,
    mut write: impl FnMut(u64, &[u8; PAIR]) -> io::Result<()>,
) -> io::Result<ContentHash> {
    let mut buffer = vec![0; usize_of(GROUP.min(size))];
    if size <= GROUP {
        bytes.read_exact(&mut buffer)?;
        return Ok(ContentHash::of(&buffer));
    }
    let (left, right) = children(bytes, 0, size, 0, &mut buffer, &mut write)?;
    let root = hazmat::merge_subtrees_root(&left, &right, Mode::Hash);
    Ok(ContentHash::from_bytes(*root.as_bytes()))
}

/// Returns the hashes of both halves of the subtree that begins at `start` and whose own pair has the number `pair`.
///
/// The depth of the recursion is the logarithm of the size: less than 50.
fn children(
    bytes: &mut impl Read,
    start: u64,
    size: u64,
    pair: u64,
    buffer: &mut [u8],
    write: &mut impl FnMut(u64, &[u8; PAIR]) -> io::Result<()>,
) -> io::Result<(ChainingValue, ChainingValue)> {
    let half = hazmat::left_subtree_len(size);
    let left = subtree(bytes, start, half, pair + 1, buffer, write)?;
    let right = subtree(
        bytes,
        start + half,
        size - half,
        pair + 1 + pairs(half),
        buffer,
        write,
    )?;
    let mut node = [0; PAIR];
    let (first, second) = node.split_at_mut(PAIR / 2);
    first.copy_from_slice(&left);
    second.copy_from_slice(&right);
    write(pair, &node)?;
    Ok((left, right))
}

fn subtree(
    bytes: &mut impl Read,
    start: u64,
    size: u64,
    pair: u64,
    buffer: &mut [u8],
    write: &mut impl FnMut(u64, &[u8; PAIR]) -> io::Result<()>,
) -> io::Result<ChainingValue> {
    if size > GROUP {
        let (left, right) = children(bytes, start, size, pair, buffer, write)?;
        return Ok(hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash));
    }
    let group = buffer.get_mut(..usize_of(size)).unwrap_or_default();
    bytes.read_exact(group)?;
    Ok(group_hash(start, group))
}

fn group_hash(start: u64, group: &[u8]) -> ChainingValue {
    Hasher::new()
        .set_input_offset(start)
        .update(group)
        .finalize_non_root()
}

/// The next input that a [`Verifier`] needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The inner node with this number. The numbers start at 0 and ascend.
    Pair(u64),
    /// A group of the blob's bytes.
    Group {
        /// The position of its first byte.
        start: u64,
        /// The number of bytes, at most [`GROUP`].
        size: usize,
    },
}

/// The error for input that does not match the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mismatch;

/// A verifier that walks the tree of one blob from the root and checks each node and each group.
///
/// It reads nothing itself. When [`next`](Self::next) returns `None`, every byte from the start position on was
/// verified.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The nodes that are still needed. The next one is last.
    open: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    hash: [u8; 32],
    start: u64,
    size: u64,
    pair: u64,
    is_root: bool,
}

impl Verifier {
    /// Creates a verifier for the blob `hash` with a claimed size of `size` bytes. A wrong size will not match the
    /// hash. A size above the maximum is rejected here.
    pub(super) fn new(hash: &ContentHash, size: u64) -> Result<Self, Mismatch> {
        if size > MAX_STREAM_SIZE {
            return Err(Mismatch);
        }
        let root = Node {
            hash: *hash.as_bytes(),
            start: 0,
            size,
            pair: 0,
            is_root: true,
        };
        Ok(Self { open: vec![root] })
    }

    /// Returns the next input that is needed, or `None` at the end.
    pub(super) fn next(&self) -> Option<Step> {
        self.open.last().map(|node| {
            if node.size > GROUP {
                Step::Pair(node.pair)
            } else {
                Step::Group {
                    start: node.start,
                    size: usize_of(node.size),
                }
            }
        })
    }

    /// Skips nodes that end at or before `position`. It never skips the last group, which proves the size.
    pub(super) fn skip_to(&mut self, position: u64) {
        while self.open.len() > 1
            && self
                .open
                .last()
                .is_some_and(|node| node.start + node.size <= position)
        {
            self.open.pop();
        }
    }

    /// Skips the group that [`next`](Self::next) requests, for callers that need only the inner nodes.
    #[cfg(feature = "http")]
    pub(super) fn pass(&mut self) {
        self.open.pop();
    }

    /// Checks the inner node that [`next`](Self::next) requested.
    pub(super) fn pair(&mut self, pair: &[u8; PAIR]) -> Result<(), Mismatch> {
        let node = self.open.pop().ok_or(Mismatch)?;
        let (mut left, mut right) = ([0; 32], [0; 32]);
        let (first, second) = pair.split_at(PAIR / 2);
        left.copy_from_slice(first);
        right.copy_from_slice(second);
        let actual = if node.is_root {
            *hazmat::merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
        } else {
            hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash)
        };
        if node.size <= GROUP || actual != node.hash {
            return Err(Mismatch);
        }
        let half = hazmat::left_subtree_len(node.size);
        self.open.push(Node {
            hash: right,
            start: node.start + half,
            size: node.size - half,
            pair: node.pair + 1 + pairs(half),
            is_root: false,
        });
        self.open.push(Node {
            hash: left,
            start: node.start,
            size: half,
            pair: node.pair + 1,
            is_root: false,
        });
        Ok(())
    }

    /// Checks the group that [`next`](Self::next) requested. After a mismatch, the same group is requested again.
    pub(super) fn group(&mut self, bytes: &[u8]) -> Result<(), Mismatch> {
        let node = self.open.last().ok_or(Mismatch)?;
        if node.size > GROUP || bytes.len() as u64 != node.size {
            return Err(Mismatch);
        }
        let actual = if node.is_root {
            *ContentHash::of(bytes).as_bytes()
        } else {
            group_hash(node.start, bytes)
        };
        if actual != node.hash {
            return Err(Mismatch);
        }
        self.open.pop();
        Ok(())
    }
}

/// Converts a number of bytes that is at most [`GROUP`].
fn usize_of(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|index| (index / 7 % 251) as u8).collect()
    }

    fn made(content: &[u8]) -> (ContentHash, Vec<u8>) {
        let size = content.len() as u64;
        let mut outboard = vec![0; usize_of(length(size))];
        outboard[..PREFIX].copy_from_slice(&size.to_le_bytes());
        let hash = make(&mut &content[..], size, |pair, node| {
            outboard[usize_of(position(pair))..][..PAIR].copy_from_slice(node);
            Ok(())
        });
        (hash.unwrap(), outboard)
    }

    /// Passes everything to a verifier. The error is the number of correct bytes before the mismatch.
    fn walk(hash: &ContentHash, outboard: &[u8], content: &[u8]) -> Result<(), u64> {
        let size = u64::from_le_bytes(outboard[..PREFIX].try_into().unwrap());
        let mut verifier = Verifier::new(hash, size).map_err(|Mismatch| 0_u64)?;
        let (mut shown, mut sequence) = (0, 0);
        while let Some(step) = verifier.next() {
            match step {
                Step::Pair(pair) => {
                    assert_eq!(pair, sequence, "in the order of the file");
                    sequence += 1;
                    let node = outboard
                        .get(usize_of(position(pair))..)
                        .and_then(|rest| rest.first_chunk());
                    verifier.pair(node.ok_or(shown)?).map_err(|Mismatch| shown)?;
                }
                Step::Group { start, size } => {
                    assert_eq!(start, shown);
                    let group = content.get(usize_of(start)..).and_then(|rest| rest.get(..size));
                    verifier.group(group.ok_or(shown)?).map_err(|Mismatch| shown)?;
                    shown += size as u64;
                }
            }
        }
        Ok(())
    }

    const SIZES: [usize; 13] = [
        0, 1, 1024, 16_383, 16_384, 16_385, 32_768, 32_769, 49_152, 65_537, 100_000, 262_144, 1_000_003,
    ];

    /// STORE-13: the hash is the BLAKE3 hash, and the outboard equals the one of an independent library byte for byte.
    #[test]
    fn equals_an_independent_implementation() {
        use bao_tree::io::outboard::PreOrderMemOutboard;
        for size in SIZES {
            let content = bytes(size);
            let (hash, outboard) = made(&content);
            assert_eq!(hash, ContentHash::of(&content), "{size}");
            assert_eq!(outboard.len() as u64, length(size as u64));
            let theirs = PreOrderMemOutboard::create(&content, bao_tree::BlockSize::from_chunk_log(4));
            assert_eq!(theirs.root.as_bytes(), hash.as_bytes());
            assert_eq!(outboard, theirs.into_inner_with_prefix(), "{size}");
            assert_eq!(walk(&hash, &outboard, &content), Ok(()), "{size}");
        }
    }

    /// STORE-14: a wrong byte is detected in its own group, and a wrong node before anything below it is read.
    #[test]
    fn every_wrong_byte_is_noticed_at_once() {
        let content = bytes(100_000);
        let (hash, outboard) = made(&content);
        for position in (0..content.len()).step_by(997) {
            let mut changed = content.clone();
            changed[position] ^= 1;
            assert_eq!(
                walk(&hash, &outboard, &changed),
                Err(position as u64 / GROUP * GROUP)
            );
        }
        for position in 0..outboard.len() {
            let mut changed = outboard.clone();
            changed[position] ^= 0x40;
            // Some wrong sizes are detected only at the end, but the whole is never accepted.
            assert!(walk(&hash, &changed, &content).is_err(), "{position}");
        }
        for size in (0..200_000)
            .step_by(997)
            .chain(99_900..100_100)
            .chain([u64::MAX, 1 << 40])
        {
            let mut changed = outboard.clone();
            changed[..PREFIX].copy_from_slice(&size.to_le_bytes());
            assert_eq!(walk(&hash, &changed, &content).is_ok(), size == 100_000, "{size}");
        }
        assert!(walk(&hash, &outboard, &content[..99_999]).is_err());
    }

    #[test]
    fn starts_at_any_position() {
        let content = bytes(100_000);
        let (hash, outboard) = made(&content);
        for from in [0_u64, 1, 16_384, 50_000, 98_304, 99_999, 100_000, 200_000] {
            let mut verifier = Verifier::new(&hash, 100_000).unwrap();
            let mut first = None;
            loop {
                verifier.skip_to(from);
                match verifier.next() {
                    None => break,
                    Some(Step::Pair(pair)) => {
                        let node = outboard[usize_of(position(pair))..].first_chunk().unwrap();
                        verifier.pair(node).unwrap();
                    }
                    Some(Step::Group { start, size }) => {
                        first = first.or(Some(start));
                        verifier.group(&content[usize_of(start)..][..size]).unwrap();
                    }
                }
            }
            assert_eq!(first, Some(from.min(99_999) / GROUP * GROUP), "{from}");
        }
    }

    /// Input that was not requested is rejected, and never accepted at another position.
    #[test]
    fn input_that_was_not_requested_is_rejected() {
        let content = bytes(40_000);
        let (hash, outboard) = made(&content);
        let node = outboard[PREFIX..].first_chunk().unwrap();
        assert_eq!(
            Verifier::new(&hash, 40_000).unwrap().group(&content[..16_384]),
            Err(Mismatch)
        );
        assert_eq!(Verifier::new(&hash, 5).unwrap().pair(node), Err(Mismatch));
        let mut verifier = Verifier::new(&ContentHash::of(b"hello"), 5).unwrap();
        assert_eq!(verifier.group(b"hellp"), Err(Mismatch));
        assert_eq!(verifier.next(), Some(Step::Group { start: 0, size: 5 }));
        assert_eq!(verifier.group(b"hello"), Ok(()));
        assert_eq!(verifier.group(b"hello"), Err(Mismatch));
        assert_eq!(verifier.pair(node), Err(Mismatch));
    }
}
