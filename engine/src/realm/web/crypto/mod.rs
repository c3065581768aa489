//! The ops of `crypto.subtle` (<https://w3c.github.io/webcrypto/>).
//!
//! `crypto_algorithms.js` converts algorithms. `crypto_keys.js` and `crypto.js` check keys and usages as the standard
//! says. The ops here compute, and hold the keys. JavaScript has an object around a [`Key`]. Only `op_sr_crypto_export`
//! and `op_sr_crypto_export_jwk` read a secret out of it. Realm code calls them only for an extractable
//! key, and for one that it is importing.
//!
//! No op chooses a random value that a guest sees. Bytes of chance are arguments, which the module's own capability
//! `random` has made. Only the blinding of RSA takes bytes from the operating system. They mask the private operation,
//! and the result does not depend on them.

use deno_core::{OpDecl, OpState, op2, v8};
use zeroize::Zeroizing;

use super::super::account;
use crate::extensions::{HeldBytes, OperationError, host_object, no_room, object};
use crate::memory::Reservation;

mod aes_modes;
mod chance;
mod derive;
mod digest;
mod ec;
mod formats;
mod jwk;
mod okp;
mod rsa_generate;
mod rsa_keys;
mod rsa_oaep;
mod sign;

use ec::Curve;

deno_core::extension!(
    sr_crypto,
    ops = [
        aes_modes::op_sr_crypto_aes,
        aes_modes::op_sr_crypto_aes_wrap,
        derive::op_sr_crypto_agree,
        derive::op_sr_crypto_hkdf,
        derive::op_sr_crypto_pbkdf2_begin,
        derive::op_sr_crypto_pbkdf2_step,
        derive::op_sr_crypto_pbkdf2_end,
        digest::op_sr_crypto_digest,
        formats::op_sr_crypto_import,
        formats::op_sr_crypto_export,
        jwk::op_sr_crypto_import_jwk,
        jwk::op_sr_crypto_export_jwk,
        op_sr_crypto_generate,
        op_sr_crypto_public,
        rsa_generate::op_sr_crypto_rsa_begin,
        rsa_generate::op_sr_crypto_rsa_step,
        rsa_generate::op_sr_crypto_rsa_end,
        rsa_keys::op_sr_crypto_rsa_facts,
        rsa_oaep::op_sr_crypto_oaep,
        sign::op_sr_crypto_sign,
        sign::op_sr_crypto_verify,
    ],
);

/// Returns the ops.
pub(super) fn ops() -> Vec<OpDecl> {
    sr_crypto::init().ops.into_owned()
}

/// The memory of a key besides its bytes.
const KEY: usize = 256;

/// A key. Its secret is wiped when the engine collects the object.
struct Key {
    material: Material,
    _held: Reservation,
}

host_object!(Key);

/// The bytes or numbers of a key.
enum Material {
    /// A key of AES, HMAC, HKDF or PBKDF2.
    Secret(Zeroizing<Vec<u8>>),
    RsaPublic(Box<rsa::PublicKey>),
    /// The type wipes its numbers itself.
    RsaPrivate(Box<rsa::PrivateKey>),
    /// A point, uncompressed.
    EcPublic(Curve, Vec<u8>),
    /// A scalar that is valid for the curve.
    EcPrivate(Curve, Zeroizing<Vec<u8>>),
    Ed25519Public([u8; 32]),
    Ed25519Private(Zeroizing<[u8; 32]>),
    X25519Public([u8; 32]),
    X25519Private(Zeroizing<[u8; 32]>),
}

/// The kind of key that an import or a generation makes. The numbers are those of `kinds` in crypto_algorithms.js.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Secret,
    Rsa,
    Ec(Curve),
    Ed25519,
    X25519,
}

impl KeyKind {
    fn of(number: u32) -> Result<Self, OperationError> {
        Ok(match number {
            0 => KeyKind::Secret,
            1 => KeyKind::Rsa,
            2 => KeyKind::Ec(Curve::P256),
            3 => KeyKind::Ec(Curve::P384),
            4 => KeyKind::Ec(Curve::P521),
            5 => KeyKind::Ed25519,
            6 => KeyKind::X25519,
            _ => return Err(OperationError::type_error("there is no such kind of key")),
        })
    }
}

impl Material {
    /// Returns the bytes that the key takes, roughly.
    fn size(&self) -> usize {
        use rsa::traits::PublicKeyParts;
        match self {
            Material::Secret(bytes) => bytes.len(),
            // The numbers, and their forms for fast arithmetic.
            Material::RsaPublic(key) => key.size().saturating_mul(6),
            Material::RsaPrivate(key) => key.as_public_key().size().saturating_mul(24),
            _ => 256,
        }
    }

    fn is_private(&self) -> bool {
        matches!(
            self,
            Material::RsaPrivate(_)
                | Material::EcPrivate(..)
                | Material::Ed25519Private(_)
                | Material::X25519Private(_)
        )
    }

    /// Returns the public half of a private key.
    fn public(&self) -> Result<Material, OperationError> {
        Ok(match self {
            Material::RsaPrivate(key) => Material::RsaPublic(Box::new(key.to_public_key())),
            Material::EcPrivate(curve, scalar) => Material::EcPublic(*curve, curve.point_of(scalar)?),
            Material::Ed25519Private(seed) => Material::Ed25519Public(okp::ed25519_public(seed)),
            Material::X25519Private(scalar) => Material::X25519Public(okp::x25519_public(scalar)),
            _ => return Err(wrong_key()),
        })
    }
}

impl Key {
    fn secret(&self) -> Result<&[u8], OperationError> {
        match &self.material {
            Material::Secret(bytes) => Ok(bytes),
            _ => Err(wrong_key()),
        }
    }
}

/// Returns the error of an operation that failed. It never says why: a reason would help to guess a plaintext.
fn failed() -> OperationError {
    OperationError::named("DOMExceptionOperationError", "the operation failed")
}

/// Returns the error of an operation whose argument is outside of its range.
fn refused(message: &'static str) -> OperationError {
    OperationError::named("DOMExceptionOperationError", message)
}

/// Returns the error of a key that cannot be read.
fn no_key(message: &'static str) -> OperationError {
    OperationError::named("DOMExceptionDataError", message)
}

/// Returns the error of a key of another kind. Realm code has compared the algorithms before, so this is not reached.
fn wrong_key() -> OperationError {
    OperationError::named("DOMExceptionInvalidAccessError", "the key is of another kind")
}

/// Reserves the memory of a result.
fn room(state: &OpState, bytes: usize) -> Result<Reservation, OperationError> {
    account(state)
        .hold_now(bytes)
        .map_err(|why| no_room("crypto.subtle", "a result", why))
}

/// Returns a result of a few bytes.
fn result(state: &OpState, bytes: Vec<u8>) -> Result<HeldBytes, OperationError> {
    let held = room(state, bytes.len())?;
    Ok(HeldBytes::new(bytes, held))
}

/// Returns an object around a key.
fn key_object<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    material: Material,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let _held = account(state)
        .hold_now(material.size().saturating_add(KEY))
        .map_err(|why| no_room("crypto.subtle", "a key", why))?;
    object(scope, Key { material, _held })
}

/// Generates the private half of a key pair from bytes of chance.
#[op2]
fn op_sr_crypto_generate<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    kind: u32,
    #[buffer] seed: &[u8],
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let mut chance = chance::Stream::new(seed)?;
    let material = match KeyKind::of(kind)? {
        KeyKind::Ec(curve) => Material::EcPrivate(curve, curve.generate(&mut chance)),
        KeyKind::Ed25519 => Material::Ed25519Private(chance.array()),
        KeyKind::X25519 => Material::X25519Private(chance.array()),
        KeyKind::Secret | KeyKind::Rsa => return Err(wrong_key()),
    };
    key_object(scope, state, material)
}

/// Returns the public half of a private key.
#[op2]
fn op_sr_crypto_public<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[cppgc] key: &Key,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let public = key.material.public()?;
    key_object(scope, state, public)
}
