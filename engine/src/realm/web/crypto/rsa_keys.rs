//! Keys of RSA (RFC 8017).

use deno_core::op2;
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, PrivateKey, PublicKey};
use serde::Serialize;

use super::{Key, Material, no_key, wrong_key};
use crate::extensions::OperationError;

/// The smallest and the largest modulus of a key, in bits. One private operation with a larger key would take seconds,
/// and an isolate that is terminated must wait for it.
const SMALLEST: usize = 1024;
const LARGEST: usize = 8192;

fn bad_key<E>(_: E) -> OperationError {
    no_key("the key is not one of RSA, or its modulus does not have from 1024 to 8192 bits")
}

/// Returns a number without its leading zeros.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Returns a number of at most so many bits.
fn number(bytes: &[u8], bits: usize) -> Result<BoxedUint, OperationError> {
    let bits = u32::try_from(bits).map_err(bad_key)?;
    BoxedUint::from_be_slice(trimmed(bytes), bits).map_err(bad_key)
}

/// Returns the size of a modulus in whole bytes, in bits.
fn bits_of(n: &[u8]) -> Result<usize, OperationError> {
    let bits = trimmed(n).len().saturating_mul(8);
    let is_odd = n.last().is_some_and(|last| last & 1 == 1);
    match (SMALLEST..=LARGEST).contains(&bits) && is_odd {
        true => Ok(bits),
        false => Err(bad_key(())),
    }
}

/// Returns a public key from its numbers.
pub(super) fn public_of(n: &[u8], e: &[u8]) -> Result<Material, OperationError> {
    let key = PublicKey::new(number(n, bits_of(n)?)?, number(e, 64)?).map_err(bad_key)?;
    Ok(Material::RsaPublic(Box::new(key)))
}

/// Returns a private key from its numbers, if they belong together.
pub(super) fn private_of(
    n: &[u8],
    e: &[u8],
    d: &[u8],
    p: &[u8],
    q: &[u8],
) -> Result<PrivateKey, OperationError> {
    let bits = bits_of(n)?;
    let primes = vec![number(p, bits)?, number(q, bits)?];
    PrivateKey::from_components(number(n, bits)?, number(e, 64)?, number(d, bits)?, primes).map_err(bad_key)
}

/// Returns a public key from an `RSAPublicKey`.
pub(super) fn public_of_der(bytes: &[u8]) -> Result<Material, OperationError> {
    let key = PublicKey::from_pkcs1_der(bytes).map_err(bad_key)?;
    Ok(Material::RsaPublic(Box::new(key)))
}

/// Returns a private key from an `RSAPrivateKey`.
pub(super) fn private_of_der(bytes: &[u8]) -> Result<Material, OperationError> {
    let key = PrivateKey::from_pkcs1_der(bytes).map_err(bad_key)?;
    Ok(Material::RsaPrivate(Box::new(key)))
}

/// The parts of a key that its `algorithm` shows.
#[derive(Serialize)]
pub(super) struct Facts {
    bits: usize,
    exponent: Vec<u8>,
}

/// Returns the parts of a key that its `algorithm` shows.
#[op2]
#[serde]
pub(super) fn op_sr_crypto_rsa_facts(#[cppgc] key: &Key) -> Result<Facts, OperationError> {
    let key = match &key.material {
        Material::RsaPublic(key) => key,
        Material::RsaPrivate(key) => key.as_public_key(),
        _ => return Err(wrong_key()),
    };
    Ok(Facts {
        bits: key.n().as_ref().bit_width_vartime() as usize,
        exponent: key.e_bytes().into_vec(),
    })
}
