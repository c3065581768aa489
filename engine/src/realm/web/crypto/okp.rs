//! Ed25519 (RFC 8032) and X25519 (RFC 7748).

use curve25519_dalek::MontgomeryPoint;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::failed;
use crate::extensions::OperationError;

/// Returns the public key of a private one.
pub(super) fn ed25519_public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Returns the signature of a message.
pub(super) fn ed25519_sign(seed: &[u8; 32], message: &[u8]) -> Vec<u8> {
    SigningKey::from_bytes(seed).sign(message).to_bytes().to_vec()
}

/// Returns true if the signature is valid. As the standard requires, keys and points of small order are refused.
pub(super) fn ed25519_verify(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(public), Signature::from_slice(signature))
    else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}

/// Returns the public key of a private one.
pub(super) fn x25519_public(scalar: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*scalar).to_bytes()
}

/// Returns the shared secret. It is an error if the other's key has a small order, because the secret is then known.
pub(super) fn x25519(scalar: &[u8; 32], public: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, OperationError> {
    let shared = Zeroizing::new(MontgomeryPoint(*public).mul_clamped(*scalar).to_bytes());
    // All bytes are read, so that the time does not depend on the secret.
    match shared.iter().fold(0, |all, byte| all | byte) {
        0 => Err(failed()),
        _ => Ok(shared),
    }
}
