//! `secure.toml`: the entry of a program, its imports, and the grants of its parts.
//!
//! The parser works on a document with source positions, so that every error shows its line. Nothing in the file is
//! ignored: an unknown key is an error.

#[cfg(test)]
mod keys;
mod kv;
mod limits;
mod packages;
mod parse;
mod report;
mod size;
mod source;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use secure_runtime_capabilities::{Base, Families};
use secure_runtime_loaders::files::{FileError, read_named};

pub use self::kv::KvFile;
pub use self::report::ManifestError;
pub use self::size::{SizeError, parse_size};

use crate::base;
use crate::signatures::Trust;
use secure_runtime_engine::Limits;

/// The name of the manifest file.
pub(crate) const MANIFEST: &str = "secure.toml";

/// A manifest whose content was checked completely.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Manifest {
    /// The name of the program.
    pub name: String,
    /// The entry module, relative to the folder of the manifest.
    pub entry: String,
    /// The targets of bare and `#` specifiers.
    pub imports: BTreeMap<String, String>,
    /// The line number of each entry of `imports`, starting from 1.
    pub import_lines: BTreeMap<String, usize>,
    /// The maximum rights of the program, as sorted grants in one-line form (`fs.read=./data/**`).
    pub grants: Vec<String>,
    /// The grants of packages, by package name.
    pub packages: BTreeMap<String, Vec<String>>,
    /// The packages that run in their own isolates.
    pub isolated: BTreeSet<String>,
    /// The grants of first-party modules that have fewer rights than the program, by path relative to the folder of the
    /// manifest.
    pub modules: BTreeMap<String, Vec<String>>,
    /// The limits of a run.
    pub limits: Limits,
    /// The file in which the entries of `kv` are kept.
    pub kv: Option<KvFile>,
    /// The signatures that the program needs.
    pub trust: Option<Trust>,
    /// The signatures that packages need, by package name.
    pub package_trust: BTreeMap<String, Trust>,
    /// The families of the grants.
    pub families: Families,
}

impl Manifest {
    /// Reads and checks the manifest in this folder. Grants can be of these families.
    ///
    /// If the folder's path is not UTF-8, scopes of `fs` must be absolute.
    ///
    /// # Errors
    /// [`ManifestError`] if the manifest is missing or invalid, with the line if there is one.
    pub fn read(folder: &Path, families: &Families) -> Result<Manifest, ManifestError> {
        let path = folder.join(MANIFEST);
        let text = match read_named(&path, MAX_SIZE) {
            Ok(bytes) => String::from_utf8(bytes.into()).map_err(|error| {
                ManifestError::plain(&path, "is not UTF-8 text; convert it to UTF-8".to_owned())
                    .caused_by(error)
            })?,
            Err(FileError::NotFound) => return Err(ManifestError::missing(&path)),
            Err(error) => {
                let what = format!("cannot be read: {error}");
                return Err(ManifestError::plain(&path, what).caused_by(error));
            }
        };
        let base = base::resolve(folder).map_err(|error| {
            ManifestError::plain(&path, format!("its folder cannot be resolved: {error}")).caused_by(error)
        })?;
        Manifest::parse(&path, &text, &base, families)
    }

    /// Checks the text of a manifest. `path` is used in messages, and `base` is the base of relative scopes.
    ///
    /// # Errors
    /// [`ManifestError`] with the line.
    pub fn parse(
        path: &Path,
        text: &str,
        base: &Base,
        families: &Families,
    ) -> Result<Manifest, ManifestError> {
        parse::manifest(&source::Source {
            path,
            text,
            base,
            families,
        })
    }

    /// Returns the folder of the manifest. The argument is that folder or the manifest file.
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

/// Maximum size of a manifest in bytes.
const MAX_SIZE: u64 = 1 << 20;
