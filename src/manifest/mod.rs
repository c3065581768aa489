//! `secure.toml`: what a program is, what it imports, and who in it may do what.
//!
//! Parsed by hand from a document that keeps positions, so that every error shows its line. Nothing in the file is
//! ignored: an unknown key is an error.

#[cfg(test)]
mod keys;
mod limits;
mod packages;
mod parse;
mod report;
mod size;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use secure_runtime_capabilities::{Base, Families};
use secure_runtime_loaders::files::{FileError, read_named};

pub use self::report::ManifestError;
pub(crate) use self::size::parse_size;

use crate::runtime::Limits;
use crate::signatures::Trust;

/// The file's name.
pub(crate) const MANIFEST: &str = "secure.toml";

/// A manifest whose every part was checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Manifest {
    /// The program's name.
    pub name: String,
    /// The entry module, relative to the manifest's folder.
    pub entry: String,
    /// What a bare or `#` specifier means.
    pub imports: BTreeMap<String, String>,
    /// The line of each entry of `imports`, from 1.
    pub(crate) import_lines: BTreeMap<String, usize>,
    /// The program's ceiling, as grants in their one-line form (`fs.read=./data/**`), sorted.
    pub grants: Vec<String>,
    /// The grants of packages, by name.
    pub packages: BTreeMap<String, Vec<String>>,
    /// The names beyond the standard's that packages find in their environment, sorted, by the packages' names.
    pub package_globals: BTreeMap<String, Vec<String>>,
    /// The packages that run in isolates of their own.
    pub isolated: BTreeSet<String>,
    /// The grants of first-party modules that hold less than the ceiling, by path relative to the manifest's folder.
    pub modules: BTreeMap<String, Vec<String>>,
    /// What a run may use.
    pub limits: Limits,
    /// Whose signatures the program needs.
    pub trust: Option<Trust>,
    /// Whose signatures packages need, by name.
    pub package_trust: BTreeMap<String, Trust>,
}

impl Manifest {
    /// Reads and checks the manifest in this folder.
    ///
    /// # Errors
    /// [`ManifestError`]: it is missing, or something in it is wrong; with the line where there is one.
    pub fn read(folder: &Path) -> Result<Manifest, ManifestError> {
        let path = folder.join(MANIFEST);
        let text = match read_named(&path, MAX_SIZE) {
            Ok(bytes) => String::from_utf8(bytes.into())
                .map_err(|_| ManifestError::plain(&path, "is not UTF-8 text; write it anew".to_owned()))?,
            Err(FileError::NotFound) => return Err(ManifestError::missing(&path)),
            Err(error) => return Err(ManifestError::plain(&path, format!("cannot be read: {error}"))),
        };
        let folder = std::fs::canonicalize(folder).map_err(|error| {
            ManifestError::plain(&path, format!("its folder cannot be resolved: {error}"))
        })?;
        let base = folder
            .to_str()
            .and_then(|folder| Base::new(folder).ok())
            .ok_or_else(|| {
                ManifestError::plain(&path, "its folder has a path that is not UTF-8".to_owned())
            })?;
        Manifest::parse(&path, &text, &base, &Families::builtin())
    }

    /// Checks the text of a manifest. `path` is for messages; `base` is what relative scopes mean.
    ///
    /// # Errors
    /// [`ManifestError`], with the line.
    pub fn parse(
        path: &Path,
        text: &str,
        base: &Base,
        families: &Families,
    ) -> Result<Manifest, ManifestError> {
        parse::manifest(&parse::Source {
            path,
            text,
            base,
            families,
        })
    }

    /// The folder that has the manifest: the given one, or that of a given manifest file.
    pub fn folder_of(path: &Path) -> PathBuf {
        if path.file_name().is_some_and(|name| name == MANIFEST) {
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            }
        } else {
            path.to_owned()
        }
    }
}

/// Largest manifest that is read, in bytes.
const MAX_SIZE: u64 = 1 << 20;
