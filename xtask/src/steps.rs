//! Execution of commands in named steps.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Returns the repository's folder.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the path of this package. Without cargo, the current folder is used.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    package.parent().map(PathBuf::from).unwrap_or_default()
}

/// Returns cargo's target folder. Cargo puts this program into its `debug`, wherever that is.
pub(crate) fn target() -> Result<PathBuf> {
    let this = env::current_exe().context("the path of this program is unknown")?;
    let target = this
        .ancestors()
        .nth(2)
        .context("this program is not in a target folder")?;
    Ok(target.to_owned())
}

/// Returns a cargo command in the repository's folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// The steps of one task. Each step is announced and timed, and a failed one stops the task.
pub(crate) struct Steps {
    started: Instant,
    passed: Vec<(String, u64)>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            passed: Vec::new(),
        }
    }

    /// Runs a command. Its output is shown to the user.
    pub(crate) fn run(&mut self, title: &str, command: &mut Command) -> Result<()> {
        self.step(title, || {
            let status = command
                .status()
                .with_context(|| format!("{} cannot be run", command.get_program().display()))?;
            if !status.success() {
                bail!("`{}` failed: {status}", shown(command));
            }
            Ok(())
        })
    }

    /// Runs an action under a title.
    pub(crate) fn step<T>(&mut self, title: &str, action: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("==> {title}");
        let started = Instant::now();
        let value = action().with_context(|| format!("step \"{title}\" failed"))?;
        let seconds = started.elapsed().as_secs();
        println!("    {title}: {seconds} s");
        self.passed.push((title.to_owned(), seconds));
        Ok(value)
    }

    /// Prints the steps that passed, with their times.
    pub(crate) fn summary(&self, task: &str) {
        let seconds = self.started.elapsed().as_secs();
        match self.passed.len() {
            1 => println!("\n{task}: 1 step passed in {seconds} s"),
            steps => println!("\n{task}: {steps} steps passed in {seconds} s"),
        }
        for (title, seconds) in &self.passed {
            println!("{seconds:>6} s  {title}");
        }
    }
}

/// Formats a command like a user would type it.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Command, Steps};

    #[test]
    fn a_failing_step_stops_and_is_named() {
        let mut steps = Steps::new();
        let error = steps.run("refuse", &mut Command::new("false")).unwrap_err();
        assert!(
            format!("{error:#}").contains("step \"refuse\" failed: `false` failed"),
            "{error:#}"
        );
        assert!(steps.passed.is_empty());
        assert!(
            steps
                .run("vanish", &mut Command::new("no-such-program-here"))
                .is_err()
        );
        steps.run("agree", &mut Command::new("true")).unwrap();
        assert_eq!(steps.passed.len(), 1);
    }
}
