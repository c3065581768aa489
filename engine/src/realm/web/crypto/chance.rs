//! Chance for keys and paddings. It comes from the module's capability `random`, as an argument of the ops.

use std::fmt;

use rsa::rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::failed;
use crate::extensions::OperationError;

/// The bytes of a seed. It has more entropy than the strongest key that is made from it.
pub(super) const SEED: usize = 64;

/// An unlimited stream of bytes from a seed: SHA-512 of the seed and a counter.
///
/// The search for a prime needs an amount of chance that is not known before.
pub(super) struct Stream {
    seed: Zeroizing<[u8; SEED]>,
    counter: u64,
    block: Zeroizing<Vec<u8>>,
}

impl Stream {
    /// Begins the stream of a seed.
    pub(super) fn new(seed: &[u8]) -> Result<Self, OperationError> {
        let seed: [u8; SEED] = seed.try_into().map_err(|_| failed())?;
        Ok(Stream {
            seed: Zeroizing::new(seed),
            counter: 0,
            block: Zeroizing::default(),
        })
    }

    /// Fills the bytes.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.block.is_empty() {
                let mut hash = Sha512::new();
                hash.update(b"secure-runtime crypto.subtle");
                hash.update(&self.seed[..]);
                hash.update(self.counter.to_le_bytes());
                self.counter += 1;
                self.block.extend_from_slice(&hash.finalize());
            }
            *byte = self.block.pop().unwrap_or_default();
        }
    }

    /// Returns the next bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        let mut bytes = Zeroizing::new([0; N]);
        self.fill(&mut bytes[..]);
        bytes
    }
}

/// The bytes that the module has given were too few.
#[derive(Debug)]
pub(super) struct UsedUp;

impl fmt::Display for UsedUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("there is no more chance")
    }
}

impl std::error::Error for UsedUp {}

/// Bytes that the module has given, each used once. The operating system has the bytes after them, if that is allowed.
pub(super) struct Given<'a> {
    bytes: &'a [u8],
    then_system: bool,
}

impl<'a> Given<'a> {
    /// Gives these bytes and no others.
    pub(super) fn only(bytes: &'a [u8]) -> Self {
        Given {
            bytes,
            then_system: false,
        }
    }

    /// Gives these bytes, and then those of the operating system.
    ///
    /// `rsa` first takes the salt of a signature, which it publishes, and then the factor that blinds the private
    /// operation.
    pub(super) fn then_system(bytes: &'a [u8]) -> Self {
        Given {
            bytes,
            then_system: true,
        }
    }
}

impl TryRng for Given<'_> {
    type Error = UsedUp;

    fn try_next_u32(&mut self) -> Result<u32, UsedUp> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, UsedUp> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), UsedUp> {
        if let Some((taken, rest)) = self.bytes.split_at_checked(into.len()) {
            into.copy_from_slice(taken);
            self.bytes = rest;
            return Ok(());
        }
        // A mixture of both would be a fault of this crate.
        match self.then_system && self.bytes.is_empty() {
            true => getrandom::fill(into).map_err(|_| UsedUp),
            false => Err(UsedUp),
        }
    }
}

impl TryCryptoRng for Given<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_its_seed_alone() {
        let bytes = |seed: u8| {
            let mut stream = Stream::new(&[seed; SEED]).unwrap();
            [*stream.array::<50>(), *stream.array::<50>()]
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
        let [first, second] = bytes(1);
        assert_ne!(first, second);
        assert!(Stream::new(&[0; SEED - 1]).is_err());
    }

    #[test]
    fn given_bytes_are_used_once() {
        let mut bytes = [0; 2];
        let mut given = Given::only(&[1, 2, 3]);
        given.try_fill_bytes(&mut bytes).unwrap();
        assert_eq!(bytes, [1, 2]);
        assert!(given.try_fill_bytes(&mut bytes).is_err());
        // Two bytes are left over from a call for more, so this is not the end of a salt.
        let mut given = Given::then_system(&[1]);
        assert!(given.try_fill_bytes(&mut bytes).is_err());
        let mut given = Given::then_system(&[1, 2]);
        given.try_fill_bytes(&mut bytes).unwrap();
        given.try_fill_bytes(&mut bytes).unwrap();
    }
}
