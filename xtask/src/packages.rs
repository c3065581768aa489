//! The npm packages of the examples, which are installed and never committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup;
use crate::steps::{Steps, root};

/// Installs each example's packages from its package-lock.json, unless they are installed already.
pub(crate) fn install(steps: &mut Steps) -> Result<()> {
    for folder in examples_with_packages()? {
        let wanted =
            fs::read(folder.join("package-lock.json")).context("package-lock.json cannot be read")?;
        // The stamp is a copy of the lock file from which the packages were installed.
        let stamp = folder.join("node_modules").join(".installed-from.json");
        if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
            continue;
        }
        setup::install_npm()?;
        let name = folder.file_name().unwrap_or_default().display();
        // A package's scripts must not run on the developer's machine.
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder);
        steps.run(&format!("npm ci (examples/{name})"), &mut npm)?;
        fs::write(&stamp, &wanted).with_context(|| format!("{} cannot be written", stamp.display()))?;
    }
    Ok(())
}

fn examples_with_packages() -> Result<Vec<PathBuf>> {
    let examples = root().join("examples");
    let mut folders = Vec::new();
    for entry in fs::read_dir(&examples).context("examples/ cannot be read")? {
        let folder = entry.context("examples/ cannot be read")?.path();
        if has_lock(&folder) {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

fn has_lock(folder: &Path) -> bool {
    folder.join("package-lock.json").is_file()
}
