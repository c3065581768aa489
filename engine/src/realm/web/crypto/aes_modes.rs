//! The modes of AES: CBC and CTR (SP 800-38A), GCM (SP 800-38D), and key wrapping (RFC 3394).
//!
//! The modes are ours. The standard allows every length of GCM's initialisation vector, seven lengths of its tag, and
//! every length of CTR's counter. The types of the crates for these modes have fixed lengths.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes192, Aes256, Block};
use deno_core::{OpState, op2};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::{Key, failed, refused, room, wrong_key};
use crate::extensions::{HeldBytes, OperationError};

/// The length of a block, in bytes.
const BLOCK: usize = 16;
/// The number of blocks that are encrypted at once.
const BLOCKS: usize = 64;

/// Evaluates an expression in which the name is the cipher with this key.
macro_rules! with_cipher {
    ($key:expr, $name:ident => $body:expr) => {{
        let key: &[u8] = $key;
        match key.len() {
            16 => {
                let $name = Aes128::new_from_slice(key).map_err(|_| wrong_key())?;
                $body
            }
            24 => {
                let $name = Aes192::new_from_slice(key).map_err(|_| wrong_key())?;
                $body
            }
            32 => {
                let $name = Aes256::new_from_slice(key).map_err(|_| wrong_key())?;
                $body
            }
            _ => Err(wrong_key()),
        }
    }};
}

/// Encrypts or decrypts. `length` is that of the counter in bits for CTR, and that of the tag in bytes for GCM. The
/// modes are those of `modes` in crypto_algorithms.js. The number of a decryption is one higher.
#[op2]
pub(super) fn op_sr_crypto_aes(
    state: &OpState,
    #[cppgc] key: &Key,
    mode: u32,
    #[buffer] vector: &[u8],
    #[buffer] extra: &[u8],
    length: u32,
    #[buffer] data: &[u8],
) -> Result<HeldBytes, OperationError> {
    // The result has at most one block more than the data.
    let held = room(state, data.len().saturating_add(BLOCK))?;
    let length = length as usize;
    let bytes = with_cipher!(key.secret()?, cipher => match mode {
        0 => cbc_encrypt(&cipher, vector, data),
        1 => cbc_decrypt(&cipher, vector, data),
        2 | 3 => ctr(&cipher, vector, length, data),
        4 => gcm_encrypt(&cipher, vector, extra, length, data),
        5 => gcm_decrypt(&cipher, vector, extra, length, data),
        _ => Err(wrong_key()),
    })?;
    Ok(HeldBytes::new(bytes, held))
}

/// Wraps or unwraps a key.
#[op2]
pub(super) fn op_sr_crypto_aes_wrap(
    state: &OpState,
    #[cppgc] key: &Key,
    is_wrapping: bool,
    #[buffer] data: &[u8],
) -> Result<HeldBytes, OperationError> {
    let held = room(state, data.len().saturating_add(BLOCK))?;
    let bytes = with_cipher!(key.secret()?, cipher => match is_wrapping {
        true => wrap(&cipher, data),
        false => unwrap(&cipher, data),
    })?;
    Ok(HeldBytes::new(bytes, held))
}

trait Encrypts: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> {}
impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Encrypts for C {}

trait Decrypts: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> {}
impl<C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16>> Decrypts for C {}

/// Returns a block with these bytes. The rest is zero.
fn block(bytes: &[u8]) -> Block {
    let mut block = Block::default();
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    block
}

fn xor(into: &mut [u8], bytes: &[u8]) {
    for (to, from) in into.iter_mut().zip(bytes) {
        *to ^= from;
    }
}

/// Returns true if both are equal. The time does not depend on where they differ.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

// ---- CBC ----------------------------------------------------------------------------------------------------------

fn cbc_encrypt(cipher: &impl Encrypts, vector: &[u8], data: &[u8]) -> Result<Vec<u8>, OperationError> {
    let mut last = block(exactly(
        vector,
        "AES-CBC: the initialisation vector must have 16 bytes",
    )?);
    let padding = BLOCK - data.len() % BLOCK;
    let mut bytes = Vec::with_capacity(data.len() + padding);
    bytes.extend_from_slice(data);
    // `padding` is from 1 to 16.
    bytes.resize(data.len() + padding, padding as u8);
    for piece in bytes.chunks_exact_mut(BLOCK) {
        xor(&mut last, piece);
        cipher.encrypt_block(&mut last);
        piece.copy_from_slice(&last);
    }
    Ok(bytes)
}

fn cbc_decrypt(cipher: &impl Decrypts, vector: &[u8], data: &[u8]) -> Result<Vec<u8>, OperationError> {
    let mut last = block(exactly(
        vector,
        "AES-CBC: the initialisation vector must have 16 bytes",
    )?);
    if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
        return Err(failed());
    }
    let mut bytes = data.to_vec();
    for piece in bytes.chunks_exact_mut(BLOCK) {
        let encrypted = block(piece);
        let mut plain = encrypted;
        cipher.decrypt_block(&mut plain);
        xor(&mut plain, &last);
        piece.copy_from_slice(&plain);
        last = encrypted;
    }
    let padding = usize::from(bytes.last().copied().unwrap_or_default());
    if padding == 0 || padding > BLOCK {
        return Err(failed());
    }
    let (text, end) = bytes.split_at_checked(bytes.len() - padding).ok_or_else(failed)?;
    if !end.iter().all(|byte| usize::from(*byte) == padding) {
        return Err(failed());
    }
    let length = text.len();
    bytes.truncate(length);
    Ok(bytes)
}

fn exactly<'a>(vector: &'a [u8], message: &'static str) -> Result<&'a [u8], OperationError> {
    match vector.len() {
        BLOCK => Ok(vector),
        _ => Err(refused(message)),
    }
}

// ---- CTR ----------------------------------------------------------------------------------------------------------

fn ctr(cipher: &impl Encrypts, counter: &[u8], bits: usize, data: &[u8]) -> Result<Vec<u8>, OperationError> {
    let counter = block(exactly(counter, "AES-CTR: the counter must have 16 bytes")?);
    if !(1..=128).contains(&bits) {
        return Err(refused(
            "AES-CTR: the length of the counter must be from 1 to 128 bits",
        ));
    }
    // Otherwise two blocks would be encrypted in the same way.
    let blocks = data.len().div_ceil(BLOCK) as u128;
    if bits < 128 && blocks > 1 << bits {
        return Err(refused("AES-CTR: the counter is too short for the data"));
    }
    let mut bytes = data.to_vec();
    counted(cipher, u128::from_be_bytes(counter.into()), bits, &mut bytes);
    Ok(bytes)
}

/// Encrypts or decrypts with a counter in the last `bits` bits of a block.
fn counted(cipher: &impl Encrypts, start: u128, bits: usize, data: &mut [u8]) {
    let mask = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
    let (fixed, mut counter) = (start & !mask, start & mask);
    for piece in data.chunks_mut(BLOCK * BLOCKS) {
        let mut stream: Vec<Block> = Vec::with_capacity(BLOCKS);
        for _ in 0..piece.len().div_ceil(BLOCK) {
            stream.push((fixed | counter).to_be_bytes().into());
            counter = counter.wrapping_add(1) & mask;
        }
        cipher.encrypt_blocks(&mut stream);
        for (part, key) in piece.chunks_mut(BLOCK).zip(&stream) {
            xor(part, key);
        }
    }
}

// ---- GCM ----------------------------------------------------------------------------------------------------------

/// The bits of GCM's counter.
const GCM_COUNTER: usize = 32;

/// The values that an encryption derives from the key and the initialisation vector.
struct Gcm {
    hash: GHash,
    first: u128,
}

impl Gcm {
    fn new(cipher: &impl Encrypts, vector: &[u8]) -> Result<Self, OperationError> {
        if vector.is_empty() {
            return Err(refused("AES-GCM: the initialisation vector is empty"));
        }
        let mut key = Block::default();
        cipher.encrypt_block(&mut key);
        let hash = GHash::new(&key);
        let first = if vector.len() == 12 {
            let mut first = block(vector);
            if let Some(last) = first.last_mut() {
                *last = 1;
            }
            first
        } else {
            let mut hash = hash.clone();
            hash.update_padded(vector);
            hash.update(&[block_of_lengths(0, vector.len())]);
            hash.finalize()
        };
        let first = u128::from_be_bytes(first.into());
        Ok(Gcm { hash, first })
    }

    /// Encrypts or decrypts. The first block of the stream is for the tag.
    fn apply(&self, cipher: &impl Encrypts, data: &mut [u8]) {
        let mask = u128::from(u32::MAX);
        let second = (self.first & !mask) | (self.first.wrapping_add(1) & mask);
        counted(cipher, second, GCM_COUNTER, data);
    }

    /// Returns the tag of encrypted data.
    fn tag(mut self, cipher: &impl Encrypts, extra: &[u8], encrypted: &[u8]) -> Block {
        self.hash.update_padded(extra);
        self.hash.update_padded(encrypted);
        self.hash
            .update(&[block_of_lengths(extra.len(), encrypted.len())]);
        let mut tag = self.hash.finalize();
        counted(cipher, self.first, GCM_COUNTER, &mut tag);
        tag
    }
}

/// Returns a block with two lengths, in bits.
fn block_of_lengths(one: usize, other: usize) -> Block {
    let bits = |bytes: usize| (bytes as u128).wrapping_mul(8);
    ((bits(one) << 64) | bits(other)).to_be_bytes().into()
}

fn gcm_encrypt(
    cipher: &impl Encrypts,
    vector: &[u8],
    extra: &[u8],
    tag_length: usize,
    data: &[u8],
) -> Result<Vec<u8>, OperationError> {
    let gcm = Gcm::new(cipher, vector)?;
    let mut bytes = Vec::with_capacity(data.len() + BLOCK);
    bytes.extend_from_slice(data);
    gcm.apply(cipher, &mut bytes);
    let tag = gcm.tag(cipher, extra, &bytes);
    bytes.extend(tag.iter().take(tag_length));
    Ok(bytes)
}

fn gcm_decrypt(
    cipher: &impl Encrypts,
    vector: &[u8],
    extra: &[u8],
    tag_length: usize,
    data: &[u8],
) -> Result<Vec<u8>, OperationError> {
    let gcm = Gcm::new(cipher, vector)?;
    let length = data.len().checked_sub(tag_length).ok_or_else(failed)?;
    let (encrypted, tag) = data.split_at_checked(length).ok_or_else(failed)?;
    let mut bytes = encrypted.to_vec();
    gcm.apply(cipher, &mut bytes);
    let right = gcm.tag(cipher, extra, encrypted);
    match right.get(..tag_length).is_some_and(|right| is_equal(right, tag)) {
        true => Ok(bytes),
        false => Err(failed()),
    }
}

// ---- key wrapping -------------------------------------------------------------------------------------------------

/// The first half of the first block. Unwrapping must find it again.
const WRAPPED: [u8; 8] = [0xa6; 8];

fn halves(data: &[u8]) -> Vec<[u8; 8]> {
    let (halves, _) = data.as_chunks::<8>();
    halves.to_vec()
}

fn wrap(cipher: &impl Encrypts, data: &[u8]) -> Result<Vec<u8>, OperationError> {
    if data.len() < 16 || !data.len().is_multiple_of(8) {
        return Err(refused(
            "AES-KW: the key must have at least 16 bytes, and a multiple of 8",
        ));
    }
    let mut first = WRAPPED;
    let mut rest = halves(data);
    let mut step: u64 = 0;
    for _ in 0..6 {
        for half in &mut rest {
            step += 1;
            let mut both = block(&[first, *half].concat());
            cipher.encrypt_block(&mut both);
            (first, *half) = split(&both);
            xor(&mut first, &step.to_be_bytes());
        }
    }
    Ok([&first[..], rest.as_flattened()].concat())
}

fn unwrap(cipher: &impl Decrypts, data: &[u8]) -> Result<Vec<u8>, OperationError> {
    if data.len() < 24 || !data.len().is_multiple_of(8) {
        return Err(failed());
    }
    let mut rest = halves(data);
    let mut first = rest.remove(0);
    let mut step = 6 * rest.len() as u64;
    for _ in 0..6 {
        for half in rest.iter_mut().rev() {
            xor(&mut first, &step.to_be_bytes());
            step -= 1;
            let mut both = block(&[first, *half].concat());
            cipher.decrypt_block(&mut both);
            (first, *half) = split(&both);
        }
    }
    match is_equal(&first, &WRAPPED) {
        true => Ok(rest.as_flattened().to_vec()),
        false => Err(failed()),
    }
}

/// Returns the halves of a block.
fn split(both: &Block) -> ([u8; 8], [u8; 8]) {
    let whole = u128::from_be_bytes((*both).into());
    (((whole >> 64) as u64).to_be_bytes(), (whole as u64).to_be_bytes())
}
