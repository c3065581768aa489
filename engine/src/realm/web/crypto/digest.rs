//! Hashes, and HMAC.

use deno_core::{OpState, op2};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::{failed, result};
use crate::extensions::{HeldBytes, OperationError};

/// A hash function. The numbers are those of `hashes` in crypto_algorithms.js.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Evaluates an expression in which the name is the type of the hash function.
macro_rules! with_hash {
    ($hash:expr, $name:ident => $body:expr) => {
        match $hash {
            $crate::realm::web::interfaces::crypto::digest::Hash::Sha1 => {
                type $name = sha1::Sha1;
                $body
            }
            $crate::realm::web::interfaces::crypto::digest::Hash::Sha256 => {
                type $name = sha2::Sha256;
                $body
            }
            $crate::realm::web::interfaces::crypto::digest::Hash::Sha384 => {
                type $name = sha2::Sha384;
                $body
            }
            $crate::realm::web::interfaces::crypto::digest::Hash::Sha512 => {
                type $name = sha2::Sha512;
                $body
            }
        }
    };
}
pub(super) use with_hash;

impl Hash {
    pub(super) fn of(number: u32) -> Result<Self, OperationError> {
        Ok(match number {
            0 => Hash::Sha1,
            1 => Hash::Sha256,
            2 => Hash::Sha384,
            3 => Hash::Sha512,
            _ => return Err(OperationError::type_error("there is no such hash function")),
        })
    }

    /// Returns the length of a hash, in bytes.
    pub(super) fn length(self) -> usize {
        with_hash!(self, D => D::output_size())
    }

    /// Returns the hash of a message.
    pub(super) fn digest(self, message: &[u8]) -> Vec<u8> {
        with_hash!(self, D => D::digest(message).to_vec())
    }

    /// Returns the code of a message in several parts.
    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, OperationError> {
        fn code<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, OperationError> {
            let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| failed())?;
            parts.iter().for_each(|part| mac.update(part));
            Ok(Zeroizing::new(mac.finalize().into_bytes().to_vec()))
        }
        match self {
            Hash::Sha1 => code::<Hmac<Sha1>>(key, parts),
            Hash::Sha256 => code::<Hmac<Sha256>>(key, parts),
            Hash::Sha384 => code::<Hmac<Sha384>>(key, parts),
            Hash::Sha512 => code::<Hmac<Sha512>>(key, parts),
        }
    }

    /// Returns true if the code is that of the message. The time does not depend on where they differ.
    pub(super) fn is_hmac(self, key: &[u8], message: &[u8], code: &[u8]) -> Result<bool, OperationError> {
        fn is<M: Mac + KeyInit>(key: &[u8], message: &[u8], code: &[u8]) -> Result<bool, OperationError> {
            let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| failed())?;
            mac.update(message);
            Ok(mac.verify_slice(code).is_ok())
        }
        match self {
            Hash::Sha1 => is::<Hmac<Sha1>>(key, message, code),
            Hash::Sha256 => is::<Hmac<Sha256>>(key, message, code),
            Hash::Sha384 => is::<Hmac<Sha384>>(key, message, code),
            Hash::Sha512 => is::<Hmac<Sha512>>(key, message, code),
        }
    }
}

/// Returns the hash of bytes.
#[op2]
pub(super) fn op_sr_crypto_digest(
    state: &OpState,
    hash: u32,
    #[buffer] message: &[u8],
) -> Result<HeldBytes, OperationError> {
    result(state, Hash::of(hash)?.digest(message))
}
