//! Feeds every fuzz target its seeds, and mutations of them, without cargo-fuzz.
//!
//! `cargo run --bin seeds [MUTATIONS]`: so many mutations of each seed (300 unless told). The same ones each
//! time: finding new inputs is cargo-fuzz's work, this keeps targets and seeds alive. A finding is written to
//! `artifacts/<target>/`, where cargo-fuzz has its own, and ends the run with exit code 1.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

use secure_runtime_fuzz::{TARGETS, Target};

fn main() -> io::Result<ExitCode> {
    let mutations = match std::env::args().nth(1).map(|argument| argument.parse()) {
        None => 300,
        Some(Ok(number)) => number,
        Some(Err(_)) => {
            eprintln!("usage: seeds [MUTATIONS]");
            return Ok(ExitCode::from(2));
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in TARGETS {
        let seeds = read_seeds(&root.join("seeds").join(name))?;
        if seeds.is_empty() {
            eprintln!("{name}: no seeds");
            return Ok(ExitCode::FAILURE);
        }
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut runs = 0;
        for (path, seed) in &seeds {
            for round in 0..=mutations {
                let input = if round == 0 {
                    seed.clone()
                } else {
                    random.mutate(seed, &seeds)
                };
                if !holds(target, &input) {
                    let folder = root.join("artifacts").join(name);
                    fs::create_dir_all(&folder)?;
                    let finding = folder.join("finding");
                    fs::write(&finding, &input)?;
                    eprintln!(
                        "{name}: fails on mutation {round} of {}: see {}",
                        path.display(),
                        finding.display()
                    );
                    return Ok(ExitCode::FAILURE);
                }
                runs += 1;
            }
        }
        println!("{name}: {runs} inputs from {} seeds", seeds.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn read_seeds(folder: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths
        .into_iter()
        .map(|path| Ok((path.clone(), fs::read(path)?)))
        .collect()
}

fn holds(target: Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).is_ok()
}

/// A xorshift generator: the same mutations on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }

    /// One to four changes: a bit, a byte, a piece left out, repeated, or taken from another seed.
    fn mutate(&mut self, seed: &[u8], seeds: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
        let mut input = seed.to_vec();
        for _ in 0..=self.below(4) {
            let position = self.below(input.len() + 1);
            let end = (position + self.below(16)).min(input.len());
            match self.below(5) {
                0 => {
                    if let Some(byte) = input.get_mut(position) {
                        *byte ^= 1 << self.below(8);
                    }
                }
                1 => input.insert(position, u8::try_from(self.below(256)).unwrap_or(0)),
                2 => drop(input.drain(position..end)),
                3 => {
                    let piece = input[position..end].to_vec();
                    input.splice(position..position, piece);
                }
                _ => {
                    let (_, other) = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(32)).min(other.len());
                    input.splice(position..end, other[from..to].iter().copied());
                }
            }
        }
        input
    }
}
