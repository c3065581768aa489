//! The step of `cargo xtask ci` that checks the dependencies by the rules of `deny.toml`.

use std::process::Stdio;

use anyhow::Result;

use crate::steps::{Steps, cargo};

/// Checks the dependencies if cargo-deny is installed. Returns false if it is not.
///
/// Known vulnerabilities are not checked here. Their database is fetched from the network and changes every day, so the
/// result would not depend on the commit alone.
pub(crate) fn check(steps: &mut Steps) -> Result<bool> {
    let installed = cargo(&["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        println!("==> dependencies: skipped, because cargo-deny is not installed");
        return Ok(false);
    }
    let offline = ["deny", "--offline", "--locked"];
    let mut command = cargo(&offline);
    command.args(["check", "licenses", "bans", "sources"]);
    steps.run("dependencies", &mut command)?;
    // The workspace of the fuzz targets has other versions, which no user builds. So repeated ones are accepted.
    let mut command = cargo(&offline);
    command.args(["--manifest-path", "fuzz/Cargo.toml", "--config", "deny.toml"]);
    command.args(["check", "--allow", "license-exception-not-encountered"]);
    command.args(["licenses", "sources"]);
    steps.run("dependencies (fuzz)", &mut command)?;
    Ok(true)
}
