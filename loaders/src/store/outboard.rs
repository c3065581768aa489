//! The hash tree of a blob, kept beside it, by which each group of its bytes is verified as it arrives.
//!
//! BLAKE3 is a tree already: of chunks of 1 KiB, whose hashes are hashed in pairs up to the root, which is the content
//! hash. An *outboard* is the inner nodes of that tree down to groups of 16 KiB, without the bytes themselves. It
//! proves nothing alone and need not be trusted: each pair must hash to what its parent says, and the root is known.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use blake3::Hasher;
use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};

use super::MAX_STREAM_SIZE;
use crate::ContentHash;

/// How many bytes are verified at once. An outboard is then one 256th of its blob.
pub(super) const GROUP: u64 = 16 * 1024;

/// The length of what an outboard begins with: the size of the blob, 64 bits, least significant byte first.
pub(super) const PREFIX: usize = 8;

/// The length of an inner node: the hashes of its two halves.
pub(super) const PAIR: usize = 64;

/// How long the outboard of a blob of `size` bytes is.
pub(super) fn length(size: u64) -> u64 {
    PREFIX as u64 + pairs(size) * PAIR as u64
}

/// Where in an outboard the pair of this number is.
pub(super) fn position(pair: u64) -> u64 {
    PREFIX as u64 + pair * PAIR as u64
}

/// How many inner nodes the tree of `size` bytes has: one less than groups.
fn pairs(size: u64) -> u64 {
    size.div_ceil(GROUP).saturating_sub(1)
}

/// Reads `size` bytes, writes their outboard to `file`, and returns their hash.
///
/// # Errors
/// Those of `bytes` and `file`; `UnexpectedEof` when there are fewer bytes.
pub(super) fn write(file: &File, bytes: &mut impl Read, size: u64) -> io::Result<ContentHash> {
    file.write_all_at(&size.to_le_bytes(), 0)?;
    make(bytes, size, |pair, node| file.write_all_at(node, position(pair)))
}

/// Reads `size` bytes and gives each inner node with its number to `write`; returns the hash of the bytes.
///
/// # Errors
/// Those of `bytes` and `write`; `UnexpectedEof` when there are fewer bytes.
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

/// The hashes of both halves of the subtree that begins at `start`, whose own pair has the number `pair`.
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

/// What a [`Verifier`] wants to see next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The inner node of this number; in order they are numbered from 0.
    Pair(u64),
    /// This many bytes of the blob from this position.
    Group {
        /// Where they begin.
        start: u64,
        /// How many there are, at most [`GROUP`].
        size: usize,
    },
}

/// The bytes that were shown to a [`Verifier`] are not the ones that the hash names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mismatch;

/// Walks the tree of one blob from its root and says of each node and each group whether it belongs to it.
///
/// It reads nothing itself. When [`next`](Self::next) is `None`, every byte from where it began was verified.
#[derive(Debug)]
pub(super) struct Verifier {
    /// What is still to be shown, the next one last.
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
    /// For the blob `hash`, which is said to have `size` bytes. Another size does not match the hash; one that no blob
    /// has is refused here.
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

    /// What comes next; `None` at the end.
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

    /// Passes over what ends at or before `position`. The last group is never passed over: it proves the size.
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

    /// Passes over the group that [`next`](Self::next) asks for, where only the inner nodes are of interest.
    #[cfg(feature = "http")]
    pub(super) fn pass(&mut self) {
        self.open.pop();
    }

    /// Takes the inner node that [`next`](Self::next) asked for.
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

    /// Takes the bytes that [`next`](Self::next) asked for. After wrong ones, it still asks for the same.
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

/// A number of bytes that is at most [`GROUP`].
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

    /// Shows everything to a verifier, and says after how many right bytes it refused.
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

    /// STORE-13: the hash is BLAKE3's, and the outboard is, byte for byte, the one that an independent library makes.
    #[test]
    fn as_others_make_it() {
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

    /// STORE-14: a wrong byte is noticed in its own group, and not a byte later; a wrong node before anything below it.
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
            // The size may be wrong in a way that shows only at the end; never is all of it accepted.
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
    fn from_any_position() {
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

    /// What was not asked for is refused, never accepted out of place.
    #[test]
    fn out_of_turn() {
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
