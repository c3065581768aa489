//! Generation of RSA keys. It takes as long as it takes to find two primes, so it is computed in steps. The isolate can
//! be terminated between them.

use std::cell::RefCell;
use std::num::NonZeroU32;

use crypto_primes::hazmat::SmallFactorsSieve;
use crypto_primes::{Flavor, is_prime};
use deno_core::{OpState, op2, v8};
use rsa::{BoxedUint, PrivateKey};

use super::chance::Stream;
use super::{Material, failed, key_object, refused, room, rsa_keys};
use crate::extensions::{OperationError, host_object, object};
use crate::memory::Reservation;

/// The smallest and the largest modulus of a new key, in bits.
const SMALLEST: u32 = 2048;
const LARGEST: u32 = 8192;

/// A search for two primes.
struct Search {
    progress: RefCell<Progress>,
    _held: Reservation,
}

host_object!(Search);

struct Progress {
    chance: Stream,
    bits: u32,
    exponent: BoxedUint,
    /// Candidates without small factors, from a random start.
    candidates: Option<SmallFactorsSieve<BoxedUint>>,
    first: Option<BoxedUint>,
    key: Option<PrivateKey>,
}

impl Progress {
    /// Returns the size of the prime that is searched, in bits.
    fn size(&self) -> u32 {
        match self.first {
            None => self.bits.div_ceil(2),
            Some(_) => self.bits / 2,
        }
    }

    /// Tests one candidate. Returns true if the key is complete.
    fn step(&mut self) -> Result<bool, OperationError> {
        let size = self.size();
        if self.candidates.is_none() {
            let start = start(&mut self.chance, size)?;
            let size = NonZeroU32::new(size).ok_or_else(failed)?;
            self.candidates = Some(SmallFactorsSieve::new(start, size, false).map_err(|_| failed())?);
        }
        let Some(candidate) = self.candidates.as_mut().and_then(Iterator::next) else {
            self.candidates = None;
            return Ok(false);
        };
        if !is_prime(Flavor::Any, &candidate) {
            return Ok(false);
        }
        // Each prime has its own random start. Otherwise, both could be near each other.
        self.candidates = None;
        match self.first.take() {
            None => self.first = Some(candidate),
            // It fails if the exponent divides one of the numbers before the primes. Then both are searched again.
            Some(first) => self.key = PrivateKey::from_p_q(first, candidate, self.exponent.clone()).ok(),
        }
        Ok(self.key.is_some())
    }
}

/// Returns a random number whose first two bits are set, so that the product of two has the full size.
fn start(chance: &mut Stream, size: u32) -> Result<BoxedUint, OperationError> {
    let mut bytes = zeroize::Zeroizing::new(vec![0; size.div_ceil(8) as usize]);
    chance.fill(&mut bytes);
    let unused = bytes.len() as u32 * 8 - size;
    let mut beginning = bytes.iter_mut();
    if let (Some(first), Some(second)) = (beginning.next(), beginning.next()) {
        let whole = u16::from_be_bytes([*first, *second]);
        let whole = (whole | 0xc000) >> unused;
        [*first, *second] = whole.to_be_bytes();
    }
    BoxedUint::from_be_slice(&bytes, size).map_err(|_| failed())
}

/// Begins a search for the primes of a key.
#[op2]
pub(super) fn op_sr_crypto_rsa_begin<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    bits: u32,
    #[buffer] exponent: &[u8],
    #[buffer] seed: &[u8],
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    if !(SMALLEST..=LARGEST).contains(&bits) {
        return Err(refused("RSA: a new modulus must have from 2048 to 8192 bits"));
    }
    let exponent = rsa_keys::trimmed(exponent);
    let is_odd = exponent.last().is_some_and(|last| last & 1 == 1);
    // The crate allows no larger exponent.
    let is_good = is_odd
        && exponent != [1]
        && (exponent.len() <= 4 || exponent.len() == 5 && exponent.first() == Some(&1));
    if !is_good {
        return Err(refused("RSA: the exponent must be odd, from 3 to 2 ** 33 - 1"));
    }
    let exponent = BoxedUint::from_be_slice(exponent, 64).map_err(|_| failed())?;
    let _held = room(state, bits as usize)?;
    let progress = RefCell::new(Progress {
        chance: Stream::new(seed)?,
        bits,
        exponent,
        candidates: None,
        first: None,
        key: None,
    });
    object(scope, Search { progress, _held })
}

/// Tests one candidate. Returns true if the key is complete.
#[op2(fast)]
pub(super) fn op_sr_crypto_rsa_step(#[cppgc] search: &Search) -> Result<bool, OperationError> {
    search.progress.borrow_mut().step()
}

/// Returns the key.
#[op2]
pub(super) fn op_sr_crypto_rsa_end<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[cppgc] search: &Search,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let key = search.progress.borrow_mut().key.take().ok_or_else(failed)?;
    key_object(scope, state, Material::RsaPrivate(Box::new(key)))
}
