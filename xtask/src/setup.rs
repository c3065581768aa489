//! `cargo xtask setup`: installs the tools that a build needs.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::engine::{Choice, Engine, choose};

/// A tool that a build needs and cargo does not install.
struct Need {
    /// The name of the tool in messages.
    what: &'static str,
    /// The name of Debian's package.
    package: &'static str,
    is_there: fn() -> bool,
    /// True if the build works without the tool on systems that have no such package.
    is_optional: bool,
}

const COMPILER: Need = Need {
    what: "a C compiler",
    package: "gcc",
    is_there: || env::var_os("CC").is_some() || runs("cc"),
    is_optional: false,
};
const LIBC_HEADERS: Need = Need {
    what: "the C library's headers",
    package: "libc6-dev",
    is_there: || !Path::new("/etc/debian_version").exists() || Path::new("/usr/include/stdio.h").exists(),
    is_optional: false,
};
const CMAKE: Need = Need {
    what: "CMake",
    package: "cmake",
    is_there: || runs("cmake"),
    is_optional: false,
};
/// CMake calls it, but Debian's package `cmake` only recommends it.
const MAKE: Need = Need {
    what: "make",
    package: "make",
    is_there: || runs("make") || (env::var_os("CMAKE_GENERATOR").is_some() && runs("ninja")),
    is_optional: false,
};
/// Optional: without the headers, CMake clones them, which requires a network and git.
const SIMDE: Need = Need {
    what: "the SIMDe headers",
    package: "libsimde-dev",
    is_there: || env::var_os("WAMR_LIB_DIR").is_some() || Path::new("/usr/include/simde").exists(),
    is_optional: true,
};
const NPM: Need = Need {
    what: "npm",
    package: "npm",
    is_there: || runs("npm") && runs("node"),
    is_optional: false,
};

/// Debian's Python does not include the modules that create virtual environments.
const PYTHON: Need = Need {
    what: "Python with venv",
    package: "python3-venv",
    is_there: || {
        succeeds(
            Command::new("python3")
                .args(["-c", "import venv, ensurepip"])
                .stderr(Stdio::null()),
        )
    },
    is_optional: false,
};

/// Selects the engine, and installs the tools that it needs.
pub(crate) fn run(choice: Choice) -> Result<Engine> {
    let engine = choose(choice)?;
    install_for(engine)?;
    Ok(engine)
}

/// Installs the tools to build with an engine.
pub(crate) fn install_for(engine: Engine) -> Result<()> {
    match engine {
        Engine::V8 => install(&[COMPILER, LIBC_HEADERS]),
        Engine::QuickJs => install(&[COMPILER, LIBC_HEADERS, CMAKE, MAKE, SIMDE]),
    }
}

/// Installs the Python for the peer of the interop tests.
pub(crate) fn install_python() -> Result<()> {
    install(&[PYTHON])
}

/// Installs Node.js and npm, for the packages of the examples and of the interop tests.
pub(crate) fn install_npm() -> Result<()> {
    install(&[NPM])
}

/// Adds clippy and rustfmt, which a minimal Rust toolchain lacks.
pub(crate) fn install_rust_components() -> Result<()> {
    for (program, component) in [("cargo-clippy", "clippy"), ("cargo-fmt", "rustfmt")] {
        if !runs(program) && !succeeds(Command::new("rustup").args(["component", "add", component])) {
            bail!("{program} is missing: add the component {component} to the Rust toolchain");
        }
    }
    Ok(())
}

fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let whats = missing
        .iter()
        .map(|need| need.what)
        .collect::<Vec<_>>()
        .join(", ");
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !runs("apt-get") {
        if missing.iter().all(|need| need.is_optional) {
            eprintln!("setup: {whats} not found, the build will try to download them");
            return Ok(());
        }
        bail!(
            "{whats} not found, and this machine has no apt-get: install them (Debian calls them {})",
            packages.join(" ")
        );
    }
    let Some(prefix) = root_prefix() else {
        bail!(
            "{whats} not found, and installing needs root: run `apt-get install {}` as root",
            packages.join(" ")
        );
    };
    eprintln!("setup: installing {}", packages.join(" "));
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&packages);
    // On a fresh machine there is no list of packages, so the first attempt fails.
    let is_installed = succeeds(&mut apt(prefix, &arguments))
        || (succeeds(&mut apt(prefix, &["update"])) && succeeds(&mut apt(prefix, &arguments)));
    if !is_installed {
        bail!(
            "apt-get could not install {}: install {whats} by hand",
            packages.join(" ")
        );
    }
    match missing.iter().find(|need| !(need.is_there)()) {
        Some(need) => bail!("{} still not found after installing {}", need.what, need.package),
        None => Ok(()),
    }
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Command {
    let words: Vec<&str> = prefix
        .iter()
        .chain(&["apt-get", "--quiet"])
        .chain(arguments)
        .copied()
        .collect();
    let mut command = Command::new("env");
    command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Returns the prefix of commands that need root. `None` if this user cannot become root without a password.
fn root_prefix() -> Option<&'static [&'static str]> {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_root {
        return Some(&[]);
    }
    let can_sudo = succeeds(Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()));
    can_sudo.then_some(&["sudo", "-n"])
}

fn runs(program: &str) -> bool {
    succeeds(
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{Need, install};

    #[test]
    fn installed_tools_are_not_installed_again() {
        let present = Need {
            what: "",
            package: "",
            is_there: || true,
            is_optional: false,
        };
        install(&[present]).unwrap();
    }
}
