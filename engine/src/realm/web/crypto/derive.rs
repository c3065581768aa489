//! Derivation of bytes: ECDH and X25519, HKDF (RFC 5869), PBKDF2 (RFC 8018).

use std::cell::RefCell;

use deno_core::{OpState, op2, v8};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::digest::Hash;
use super::{Key, Material, failed, okp, refused, result, room, wrong_key};
use crate::extensions::{HeldBytes, OperationError, host_object, object};
use crate::memory::Reservation;

/// Returns the secret that a private key and another's public key share.
#[op2]
pub(super) fn op_sr_crypto_agree(
    state: &OpState,
    #[cppgc] private: &Key,
    #[cppgc] public: &Key,
) -> Result<HeldBytes, OperationError> {
    let secret = match (&private.material, &public.material) {
        (Material::EcPrivate(curve, scalar), Material::EcPublic(other, point)) if curve == other => {
            curve.agree(scalar, point)?
        }
        (Material::X25519Private(scalar), Material::X25519Public(point)) => {
            okp::x25519(scalar, point)?.to_vec()
        }
        _ => return Err(wrong_key()),
    };
    result(state, secret)
}

/// Derives bytes with HKDF.
#[op2]
pub(super) fn op_sr_crypto_hkdf(
    state: &OpState,
    #[cppgc] key: &Key,
    hash: u32,
    #[buffer] salt: &[u8],
    #[buffer] info: &[u8],
    length: u32,
) -> Result<HeldBytes, OperationError> {
    let hash = Hash::of(hash)?;
    result(state, hkdf(hash, key.secret()?, salt, info, length as usize)?)
}

fn hkdf(hash: Hash, key: &[u8], salt: &[u8], info: &[u8], length: usize) -> Result<Vec<u8>, OperationError> {
    if length > hash.length() * 255 {
        return Err(refused(
            "HKDF: the length is more than 255 times that of the hash",
        ));
    }
    // An empty salt has the same effect as one of zeros, which RFC 5869 uses if there is none.
    let extracted = hash.hmac(salt, &[key])?;
    let mut bytes = Vec::with_capacity(length + hash.length());
    let mut block = Zeroizing::new(Vec::new());
    for number in 1..=255_u8 {
        if bytes.len() >= length {
            break;
        }
        block = hash.hmac(&extracted, &[&block, info, &[number]])?;
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The number of times that one step of PBKDF2 calls its hash function. It takes some milliseconds.
const STEP: u32 = 8192;

/// The state of a derivation with PBKDF2. The number of its iterations has no limit but the program's, so it is
/// computed in steps. The isolate can be terminated between them.
struct Derivation {
    work: RefCell<Box<dyn Work>>,
    _held: Reservation,
}

host_object!(Derivation);

trait Work {
    /// Computes one step. Returns true if it was the last.
    fn step(&mut self) -> bool;

    /// Returns the derived bytes.
    fn take(&mut self) -> Vec<u8>;
}

struct Pbkdf2<M> {
    /// The function, with the password as its key.
    mac: M,
    salt: Vec<u8>,
    iterations: u32,
    length: usize,
    /// The blocks that are complete.
    bytes: Zeroizing<Vec<u8>>,
    /// The number of the current block.
    block: u32,
    /// The iterations of the current block that are left.
    left: u32,
    /// The result of the last iteration, and the sum of all of this block.
    last: Zeroizing<Vec<u8>>,
    sum: Zeroizing<Vec<u8>>,
}

impl<M: Mac + Clone> Pbkdf2<M> {
    fn code(&self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        Zeroizing::new(mac.finalize().into_bytes().to_vec())
    }
}

impl<M: Mac + Clone> Work for Pbkdf2<M> {
    fn step(&mut self) -> bool {
        for _ in 0..STEP {
            if self.bytes.len() >= self.length {
                return true;
            }
            if self.left == self.iterations {
                self.block += 1;
                self.last = self.code(&[&self.salt, &self.block.to_be_bytes()]);
                self.sum = self.last.clone();
            } else {
                let mut mac = self.mac.clone();
                mac.update(&self.last);
                self.last.copy_from_slice(&mac.finalize().into_bytes());
                for (sum, byte) in self.sum.iter_mut().zip(self.last.iter()) {
                    *sum ^= byte;
                }
            }
            self.left -= 1;
            if self.left == 0 {
                self.bytes.extend_from_slice(&self.sum);
                self.left = self.iterations;
            }
        }
        self.bytes.len() >= self.length
    }

    fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut *self.bytes);
        bytes.truncate(self.length);
        bytes
    }
}

/// Begins a derivation with PBKDF2.
#[op2]
pub(super) fn op_sr_crypto_pbkdf2_begin<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[cppgc] key: &Key,
    hash: u32,
    #[buffer] salt: &[u8],
    iterations: u32,
    length: u32,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    fn work<M: Mac + KeyInit + Clone + 'static>(
        key: &[u8],
        salt: &[u8],
        iterations: u32,
        length: usize,
    ) -> Result<Box<dyn Work>, OperationError> {
        Ok(Box::new(Pbkdf2 {
            mac: <M as KeyInit>::new_from_slice(key).map_err(|_| failed())?,
            salt: salt.to_vec(),
            iterations,
            length,
            bytes: Zeroizing::new(Vec::with_capacity(length.saturating_add(64))),
            block: 0,
            left: iterations,
            last: Zeroizing::default(),
            sum: Zeroizing::default(),
        }))
    }
    if iterations == 0 {
        return Err(refused("PBKDF2: the number of iterations is 0"));
    }
    let length = length as usize;
    let _held = room(state, length.saturating_add(salt.len()).saturating_add(2048))?;
    let key = key.secret()?;
    let work = match Hash::of(hash)? {
        Hash::Sha1 => work::<Hmac<Sha1>>(key, salt, iterations, length),
        Hash::Sha256 => work::<Hmac<Sha256>>(key, salt, iterations, length),
        Hash::Sha384 => work::<Hmac<Sha384>>(key, salt, iterations, length),
        Hash::Sha512 => work::<Hmac<Sha512>>(key, salt, iterations, length),
    }?;
    let work = RefCell::new(work);
    object(scope, Derivation { work, _held })
}

/// Computes one step of a derivation. Returns true if it was the last.
#[op2(fast)]
pub(super) fn op_sr_crypto_pbkdf2_step(#[cppgc] derivation: &Derivation) -> bool {
    derivation.work.borrow_mut().step()
}

/// Returns the derived bytes.
#[op2]
pub(super) fn op_sr_crypto_pbkdf2_end(
    state: &OpState,
    #[cppgc] derivation: &Derivation,
) -> Result<HeldBytes, OperationError> {
    let bytes = derivation.work.borrow_mut().take();
    result(state, bytes)
}
