//! `cargo xtask crash`: kills processes while they write, with many more rounds than every test run.

use std::path::Path;

use anyhow::Result;

use crate::steps::{Steps, cargo};

/// Default number of rounds, which take some minutes.
pub(crate) const ROUNDS: u32 = 1_000;

/// A folder in memory. Processes are killed, but the machine is not, so nothing needs to reach a disk.
const MEMORY: &str = "/dev/shm";

pub(crate) fn run(rounds: u32) -> Result<()> {
    let mut steps = Steps::new();
    println!(
        "{rounds} rounds. In each, three processes add, fetch, read, collect and lock in one folder. At a random moment, all \
         are killed. Afterwards every blob must be valid, the lock must be one that was written, and the next command \
         must succeed and clean up."
    );
    let mut command = cargo(&["test", "--package", "secure-runtime-loaders", "--test", "suite"]);
    command.args(["--", "--exact", "crash::killed_at_any_moment", "--nocapture"]);
    command.env("SECURE_RUNTIME_TEST_CRASH_ROUNDS", rounds.to_string());
    if Path::new(MEMORY).is_dir() {
        println!("The folder is in memory, below {MEMORY}.");
        command.env("TMPDIR", MEMORY);
    }
    steps.run(&format!("crash, {rounds} rounds"), &mut command)?;
    steps.summary("crash");
    Ok(())
}
