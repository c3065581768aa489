//! Random changes to inputs.

/// Maximum length of mutated inputs. Longer ones are slower and find nothing more.
const MAX_INPUT: usize = 4096;

/// A xorshift generator, which returns the same numbers for a seed on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        // A xorshift generator with state zero stays at zero.
        Random((seed ^ 0x9e37_79b9_7f4a_7c15).max(1))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }

    /// Applies one to four changes: flips a bit, changes a byte, or removes, repeats or inserts a piece.
    pub(crate) fn mutate(&mut self, seed: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seed.to_vec();
        for _ in 0..=self.below(4) {
            let position = self.below(input.len() + 1);
            let end = (position + self.below(16)).min(input.len());
            match self.below(6) {
                0 => {
                    if let Some(byte) = input.get_mut(position) {
                        *byte ^= 1 << self.below(8);
                    }
                }
                1 => input.insert(position, u8::try_from(self.below(256)).unwrap_or(0)),
                2 => {
                    if let Some(byte) = input.get_mut(position) {
                        *byte = u8::try_from(self.below(256)).unwrap_or(0);
                    }
                }
                3 => drop(input.drain(position..end)),
                4 => {
                    let piece = input[position..end].to_vec();
                    input.splice(position..position, piece);
                }
                _ => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(32)).min(other.len());
                    input.splice(position..end, other[from..to].iter().copied());
                }
            }
        }
        input.truncate(MAX_INPUT.max(seed.len()));
        input
    }
}
