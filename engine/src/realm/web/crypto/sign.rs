//! Signatures and message authentication codes.

use deno_core::{OpState, op2};
use rsa::{Pkcs1v15Sign, Pss};

use super::chance::Given;
use super::digest::{Hash, with_hash};
use super::{Key, Material, failed, okp, result, wrong_key};
use crate::extensions::{HeldBytes, OperationError};

/// A scheme of RSA. The numbers are those of `schemes` in crypto_algorithms.js. Other keys have only one scheme.
#[derive(Clone, Copy)]
enum RsaScheme {
    Pkcs1,
    Pss,
}

impl RsaScheme {
    fn of(number: u32) -> Result<Self, OperationError> {
        match number {
            1 => Ok(RsaScheme::Pkcs1),
            2 => Ok(RsaScheme::Pss),
            _ => Err(wrong_key()),
        }
    }
}

/// Signs a message. `salt` is for RSA-PSS.
#[op2]
pub(super) fn op_sr_crypto_sign(
    state: &OpState,
    #[cppgc] key: &Key,
    scheme: u32,
    hash: u32,
    #[buffer] salt: &[u8],
    #[buffer] message: &[u8],
) -> Result<HeldBytes, OperationError> {
    let hash = Hash::of(hash)?;
    let signature = match &key.material {
        Material::Secret(key) => hash.hmac(key, &[message])?.to_vec(),
        Material::RsaPrivate(key) => {
            let digest = hash.digest(message);
            let signature = match RsaScheme::of(scheme)? {
                RsaScheme::Pkcs1 => with_hash!(hash, D => key.sign(Pkcs1v15Sign::new::<D>(), &digest)),
                RsaScheme::Pss => {
                    let mut chance = Given::then_system(salt);
                    with_hash!(hash, D => key.sign_with_rng(&mut chance, Pss::<D>::new_with_salt(salt.len()), &digest))
                }
            };
            signature.map_err(|_| failed())?
        }
        Material::EcPrivate(curve, scalar) => curve.sign(scalar, &hash.digest(message))?,
        Material::Ed25519Private(seed) => okp::ed25519_sign(seed, message),
        _ => return Err(wrong_key()),
    };
    result(state, signature)
}

/// Returns true if the signature is that of the message. `salt` is the length of the salt, for RSA-PSS.
#[op2(fast)]
pub(super) fn op_sr_crypto_verify(
    #[cppgc] key: &Key,
    scheme: u32,
    hash: u32,
    salt: u32,
    #[buffer] signature: &[u8],
    #[buffer] message: &[u8],
) -> Result<bool, OperationError> {
    let hash = Hash::of(hash)?;
    match &key.material {
        Material::Secret(key) => hash.is_hmac(key, message, signature),
        Material::RsaPublic(key) => {
            let digest = hash.digest(message);
            let verified = match RsaScheme::of(scheme)? {
                RsaScheme::Pkcs1 => {
                    with_hash!(hash, D => key.verify(Pkcs1v15Sign::new::<D>(), &digest, signature))
                }
                RsaScheme::Pss => {
                    with_hash!(hash, D => key.verify(Pss::<D>::new_with_salt(salt as usize), &digest, signature))
                }
            };
            Ok(verified.is_ok())
        }
        Material::EcPublic(curve, point) => curve.verify(point, &hash.digest(message), signature),
        Material::Ed25519Public(public) => Ok(okp::ed25519_verify(public, message, signature)),
        _ => Err(wrong_key()),
    }
}
