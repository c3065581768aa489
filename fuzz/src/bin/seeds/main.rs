//! Runs the fuzz targets on their seeds, and on mutations of them. It uses the stable compiler, so coverage
//! does not guide it.
//!
//! ```text
//! seeds [TARGET…]                                     300 mutations of each seed, the same on every machine
//! seeds --mutations N [TARGET…]                       N mutations of each seed
//! seeds --seconds N [--random-seed S] [TARGET…]       new inputs for N seconds, several targets at once
//! seeds --replay FILE TARGET                          one input, such as a finding
//! ```
//!
//! A finding is written to `artifacts/<target>/`, like cargo-fuzz does, and ends the run with exit code 1.

mod arguments;
mod fixed;
mod mutation;
mod timed;

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

use arguments::{Arguments, Mode};
use secure_runtime_fuzz::{Outcome, Target};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let result = match &arguments.mode {
        Mode::Mutations(number) => fixed::run(&arguments.targets, *number),
        Mode::Seconds { seconds, random_seed } => timed::run(&arguments.targets, *seconds, *random_seed),
        Mode::Replay(file) => replay(&arguments.targets, file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The name of a target, and the target.
type Named = (&'static str, Target);

fn replay(targets: &[Named], file: &Path) -> Result<(), String> {
    let input = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    for (name, target) in targets {
        match run_one(*target, &input) {
            Some(_) => println!("{name}: holds"),
            None => return Err(format!("{name}: fails on {}", file.display())),
        }
    }
    Ok(())
}

/// Returns the outcome of the input, or `None` if the target panicked.
fn run_one(target: Target, input: &[u8]) -> Option<Outcome> {
    catch_unwind(AssertUnwindSafe(|| target(input))).ok()
}

fn read_seeds(target: &str) -> Result<Vec<Vec<u8>>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let read = || -> io::Result<Vec<Vec<u8>>> {
        let mut paths = fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<PathBuf>>>()?;
        paths.sort();
        paths.into_iter().map(fs::read).collect()
    };
    match read() {
        Ok(seeds) if seeds.is_empty() => Err(format!("{target}: no seeds in {}", folder.display())),
        Ok(seeds) => Ok(seeds),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}

/// Saves the input, and returns a message with the command that replays it.
fn finding(target: &str, what: &str, input: &[u8]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("artifacts")
        .join(target);
    let file = folder.join("finding");
    match fs::create_dir_all(&folder).and_then(|()| fs::write(&file, input)) {
        Ok(()) => format!(
            "{target}: {what}; again: seeds --replay {} {target}",
            file.display()
        ),
        Err(error) => format!("{target}: {what} on {input:?}, which cannot be written: {error}"),
    }
}

/// The totals of one target.
#[derive(Default)]
struct Figures {
    inputs: u64,
    asked: u64,
    allowed: u64,
}

impl Figures {
    fn add(&mut self, outcome: Outcome) {
        self.inputs += 1;
        self.asked += outcome.asked;
        self.allowed += outcome.allowed;
    }

    /// Returns the share of allowed decisions, for targets that decide.
    fn decisions(&self) -> String {
        match self.asked {
            0 => String::new(),
            asked => format!(
                ", {} of {asked} decisions allowed ({} %)",
                self.allowed,
                self.allowed * 100 / asked
            ),
        }
    }
}
