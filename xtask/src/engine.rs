//! Selection of the JavaScript engine that this machine can build.
//!
//! V8 is a prebuilt library of about 30 MB. The build script of the `v8` crate takes it from the file in
//! `RUSTY_V8_ARCHIVE`, from cargo's home, or from its project's release page. A machine without network may
//! have none of them, and would notice only after minutes of building. Therefore this module checks first, in
//! the same order.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::steps;

/// The value of `--engine`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// V8 if its library is available, else QuickJS.
    Auto,
    /// V8 or an error.
    V8,
    /// QuickJS-ng.
    Quickjs,
}

/// A JavaScript engine; each is a Cargo feature of the command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    V8,
    QuickJs,
}

impl Engine {
    /// Returns the arguments that make cargo build with this engine. Both engines are explicit. Otherwise a
    /// new default feature could make a test run the other engine unnoticed.
    pub(crate) fn cargo_arguments(self) -> [&'static str; 3] {
        let feature = match self {
            Self::V8 => "secure-runtime-cli/v8,secure-runtime-cli/snapshot",
            Self::QuickJs => "secure-runtime-cli/quickjs",
        };
        ["--no-default-features", "--features", feature]
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V8 => "v8",
            Self::QuickJs => "quickjs",
        })
    }
}

/// Prints the engine on standard output and the reason on standard error.
pub(crate) fn run(choice: Choice) -> Result<()> {
    println!("{}", choose(choice)?);
    Ok(())
}

/// Selects the engine, and prints the reason on standard error.
pub(crate) fn choose(choice: Choice) -> Result<Engine> {
    if choice == Choice::Quickjs {
        eprintln!("engine: quickjs, as requested");
        return Ok(Engine::QuickJs);
    }
    match find_v8()? {
        V8Library::Available(place) => {
            eprintln!("engine: v8, its library is {place}");
            Ok(Engine::V8)
        }
        V8Library::Missing(reason) if choice == Choice::V8 => bail!(
            "V8 is not available: {reason}. Set RUSTY_V8_ARCHIVE to the library's file, or RUSTY_V8_MIRROR to a \
             server that has it, or use --engine quickjs"
        ),
        V8Library::Missing(reason) => {
            eprintln!("engine: quickjs, because V8 is not available: {reason}");
            Ok(Engine::QuickJs)
        }
    }
}

/// Returns the engines that can be tested here. If V8 is missing, the reason is printed.
pub(crate) fn available(choice: Choice) -> Result<Vec<Engine>> {
    Ok(match choice {
        Choice::Auto => match choose(Choice::Auto)? {
            Engine::V8 => vec![Engine::V8, Engine::QuickJs],
            Engine::QuickJs => vec![Engine::QuickJs],
        },
        Choice::V8 | Choice::Quickjs => vec![choose(choice)?],
    })
}

/// The availability of V8's library.
enum V8Library {
    /// The location of the library.
    Available(String),
    /// The reason why it is missing.
    Missing(String),
}

fn find_v8() -> Result<V8Library> {
    let address = match env::var("RUSTY_V8_ARCHIVE") {
        Ok(archive) if archive.starts_with("http://") || archive.starts_with("https://") => archive,
        Ok(archive) if Path::new(&archive).is_file() => {
            return Ok(V8Library::Available(format!("RUSTY_V8_ARCHIVE {archive}")));
        }
        Ok(archive) => {
            return Ok(V8Library::Missing(format!(
                "RUSTY_V8_ARCHIVE names {archive}, which is not a file"
            )));
        }
        Err(_unset) => download_address()?,
    };
    if let Some(kept) = kept_download(&address)
        && kept.is_file()
    {
        return Ok(V8Library::Available(kept.display().to_string()));
    }
    Ok(match reach(&address) {
        Ok(()) => V8Library::Available(format!("downloaded from {address}")),
        Err(reason) => V8Library::Missing(reason),
    })
}

/// Returns the URL from which the `v8` crate in Cargo.lock downloads. deno_core's `v8` feature selects the
/// library with simdutf.
fn download_address() -> Result<String> {
    let base = env::var("RUSTY_V8_MIRROR")
        .unwrap_or_else(|_unset| "https://github.com/denoland/rusty_v8/releases/download".to_owned());
    let lock = fs::read_to_string(steps::root().join("Cargo.lock")).context("Cargo.lock cannot be read")?;
    let version = locked_version(&lock, "v8").context("Cargo.lock has no package named v8")?;
    let target = host_target()?;
    Ok(format!(
        "{base}/v{version}/librusty_v8_simdutf_release_{target}.a.gz"
    ))
}

/// Returns the version of a package in the text of a Cargo.lock. Cargo writes one key a line.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let mut lines = lock.lines();
    lines.find(|line| *line == format!("name = \"{package}\""))?;
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

fn host_target() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("rustc cannot be run")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc -vV does not name its host")
}

/// Returns the file in which the `v8` crate's build script keeps the download of a URL.
fn kept_download(address: &str) -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))?;
    Some(home.join(".rusty_v8").join(kept_name(address)))
}

fn kept_name(address: &str) -> String {
    address
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// Requests only the header, because before the build it only matters that the server answers.
fn reach(address: &str) -> Result<(), String> {
    let status = Command::new("curl")
        .args([
            "--silent",
            "--fail",
            "--location",
            "--head",
            "--max-time",
            "10",
            "--output",
            "/dev/null",
        ])
        .arg(address)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_failed) => Err(format!("{address} does not answer, and there is no local copy")),
        Err(_no_curl) => Err(
            "there is no local copy of the library, and without curl the download cannot be checked"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{kept_name, locked_version};

    #[test]
    fn locked_version_finds_the_named_package() {
        let lock = "[[package]]\nname = \"v80\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"v8\"\nversion = \"150.4.0\"\n";
        assert_eq!(locked_version(lock, "v8").as_deref(), Some("150.4.0"));
        assert_eq!(locked_version(lock, "v8x"), None);
    }

    #[test]
    fn kept_downloads_have_the_names_of_the_v8_crate() {
        assert_eq!(
            kept_name("https://a.test/v1.0/lib-x.a.gz"),
            "https___a_test_v1_0_lib_x_a_gz"
        );
    }
}
