//! RSA-OAEP (RFC 8017, section 7.1).
//!
//! The crate computes private operations in constant time, and blinds them with bytes of the operating system. It does
//! not check that the first byte of an encoded message is 0 (version 0.10.0; test 23 of Wycheproof's files for
//! RSA-OAEP). So the encoded message is decoded here.

use deno_core::{OpState, op2};
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Oaep, PrivateKey};
use zeroize::Zeroizing;

use super::chance::Given;
use super::digest::{Hash, with_hash};
use super::{Key, Material, failed, result, wrong_key};
use crate::extensions::{HeldBytes, OperationError};

/// Encrypts with a public key, or decrypts with a private one. `chance` is for the encryption.
#[op2]
pub(super) fn op_sr_crypto_oaep(
    state: &OpState,
    #[cppgc] key: &Key,
    hash: u32,
    #[buffer] label: &[u8],
    #[buffer] chance: &[u8],
    #[buffer] data: &[u8],
) -> Result<HeldBytes, OperationError> {
    let hash = Hash::of(hash)?;
    let bytes = match &key.material {
        Material::RsaPublic(key) => {
            let mut chance = Given::only(chance);
            let encrypted =
                with_hash!(hash, D => key.encrypt(&mut chance, Oaep::<D>::new_with_label(label), data));
            encrypted.map_err(|_| failed())?
        }
        Material::RsaPrivate(key) => decrypt(key, hash, label, data).ok_or_else(failed)?,
        _ => return Err(wrong_key()),
    };
    result(state, bytes)
}

/// Returns the message, or nothing, whatever is wrong.
fn decrypt(key: &PrivateKey, hash: Hash, label: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let public = key.as_public_key();
    if data.len() != public.size() {
        return None;
    }
    let number = BoxedUint::from_be_slice(data, public.n_bits_precision()).ok()?;
    let plain = rsa_decrypt_and_check(key, Some(&mut Given::then_system(&[])), &number).ok()?;
    let plain = Zeroizing::new(plain);
    let bytes = Zeroizing::new(plain.to_be_bytes());
    // The number has the width of the modulus in whole limbs.
    let encoded = bytes.get(bytes.len().checked_sub(data.len())?..)?;
    decoded(hash, label, encoded)
}

/// Returns 255 if both bytes are equal, else 0, in the same time.
fn is_equal(one: u8, other: u8) -> u8 {
    (u16::from(one ^ other).wrapping_sub(1) >> 8) as u8
}

/// Decodes a message. The time depends on the lengths, and on whether all is right.
fn decoded(hash: Hash, label: &[u8], encoded: &[u8]) -> Option<Vec<u8>> {
    let size = hash.length();
    if encoded.len() < 2 * size + 2 {
        return None;
    }
    let (first, rest) = encoded.split_first()?;
    let (seed, block) = rest.split_at_checked(size)?;
    let mut seed = Zeroizing::new(seed.to_vec());
    let mut block = Zeroizing::new(block.to_vec());
    mask(hash, &block, &mut seed);
    mask(hash, &seed, &mut block);
    let (label_hash, padded) = block.split_at_checked(size)?;
    let mut wrong = *first;
    for (one, other) in label_hash.iter().zip(hash.digest(label)) {
        wrong |= one ^ other;
    }
    // The message follows the first byte that is not 0, which must be 1.
    let mut is_before = u8::MAX;
    let mut zeros = 0_usize;
    for byte in padded {
        let is_zero = is_equal(*byte, 0);
        wrong |= is_before & !is_zero & !is_equal(*byte, 1);
        is_before &= is_zero;
        zeros += usize::from(is_before & 1);
    }
    if (wrong | is_before) != 0 {
        return None;
    }
    padded.get(zeros + 1..).map(<[u8]>::to_vec)
}

/// Applies the mask that a seed generates (MGF1, RFC 8017, appendix B.2.1).
fn mask(hash: Hash, seed: &[u8], into: &mut [u8]) {
    for (counter, piece) in (0_u32..).zip(into.chunks_mut(hash.length())) {
        let block = Zeroizing::new(hash.digest(&Zeroizing::new([seed, &counter.to_be_bytes()].concat())));
        for (byte, mask) in piece.iter_mut().zip(block.iter()) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a message (RFC 8017, section 7.1.1), with these bytes at its beginning and before it.
    fn encoded(first: u8, padding: &[u8], message: &[u8]) -> Vec<u8> {
        let hash = Hash::Sha256;
        let mut seed = vec![7; 32];
        let mut block = [&hash.digest(b"label")[..], padding, message].concat();
        mask(hash, &seed, &mut block);
        mask(hash, &block, &mut seed);
        [&[first], &seed[..], &block].concat()
    }

    #[test]
    fn a_message_is_decoded_only_if_all_its_parts_are_right() {
        let decoded = |first, padding: &[u8], label: &[u8]| {
            decoded(Hash::Sha256, label, &encoded(first, padding, b"message"))
        };
        assert_eq!(decoded(0, &[0, 0, 1], b"label").unwrap(), b"message");
        assert_eq!(decoded(0, &[1], b"label").unwrap(), b"message");
        for first in [1, 2, 128, 255] {
            assert!(decoded(first, &[0, 0, 1], b"label").is_none(), "{first}");
        }
        for padding in [&[0, 0][..], &[0, 2, 1], &[255], &[2]] {
            assert!(decoded(0, padding, b"label").is_none(), "{padding:?}");
        }
        assert!(decoded(0, &[0, 0, 1], b"").is_none());
        assert!(super::decoded(Hash::Sha256, b"label", &[0; 65]).is_none());
    }
}
