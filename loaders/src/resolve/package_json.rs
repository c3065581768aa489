//! The parts of package.json that say which files a package offers.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::ImportProblem;
use crate::files::{self, FileError};

const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// A package.json.
#[derive(Debug, Clone, Default)]
pub(super) struct PackageJson {
    fields: Map<String, Value>,
    /// Whether the text has the word `browser` anywhere, as a field or as a condition.
    names_browser: bool,
}

impl PackageJson {
    /// The package.json in `folder`, if there is one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ImportProblem> {
        let path = folder.join("package.json");
        match files::read_regular(&path, MAX_SIZE) {
            Ok(bytes) => Self::parse(&bytes)
                .map(Some)
                .map_err(|message| ImportProblem::PackageJson { path, message }),
            Err(FileError::NotFound) => Ok(None),
            Err(error) => Err(ImportProblem::File { path, error }),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // npm, Node.js and bundlers read past a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self {
                fields,
                names_browser: bytes.windows(9).any(|word| word == b"\"browser\""),
            }),
            Ok(_) => Err("it is not an object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.text("name")
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.text("version")
    }

    /// Whether its `.js` files are ECMAScript modules by declaration.
    pub(super) fn is_module(&self) -> bool {
        self.text("type") == Some("module")
    }

    /// The file that bundlers take for an import of the package.
    pub(super) fn module(&self) -> Option<&str> {
        self.text("module")
    }

    /// The file that takes the place of `main` where there is no Node.js.
    pub(super) fn browser(&self) -> Option<&str> {
        self.text("browser")
    }

    /// What takes the places of files and packages where there is no Node.js.
    pub(super) fn browser_map(&self) -> Option<&Map<String, Value>> {
        self.fields.get("browser")?.as_object()
    }

    /// Whether anything in it is meant for browsers.
    pub(super) fn names_browser(&self) -> bool {
        self.names_browser
    }

    /// The file that `require` takes.
    pub(super) fn main(&self) -> Option<&str> {
        self.text("main")
    }

    pub(super) fn exports(&self) -> Option<&Value> {
        self.fields.get("exports").filter(|exports| !exports.is_null())
    }

    pub(super) fn imports(&self) -> Option<&Value> {
        self.fields.get("imports").filter(|imports| !imports.is_null())
    }
}
