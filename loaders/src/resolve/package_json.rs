//! The parts of package.json that state which files a package provides.

use std::path::Path;

use serde::de::Error as _;
use serde_json::{Map, Value};

use super::error::ImportProblem;
use crate::files::{self, FileError};

const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// A package.json.
#[derive(Debug, Clone, Default)]
pub(super) struct PackageJson {
    fields: Map<String, Value>,
    /// True if the text contains the word `browser`, as a field or as a condition.
    names_browser: bool,
}

impl PackageJson {
    /// Reads the package.json in `folder`, if there is one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ImportProblem> {
        let path = folder.join("package.json");
        match files::read_regular(&path, MAX_SIZE) {
            Ok(bytes) => Self::parse(&bytes)
                .map(Some)
                .map_err(|error| ImportProblem::PackageJson {
                    path,
                    cause: error.into(),
                }),
            Err(FileError::NotFound) => Ok(None),
            Err(error) => Err(ImportProblem::File { path, error }),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        // npm, Node.js and bundlers ignore a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self {
                fields,
                names_browser: bytes.windows(9).any(|word| word == b"\"browser\""),
            }),
            Ok(_) => Err(serde_json::Error::custom("it is not an object")),
            Err(error) => Err(error),
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

    /// Returns true if its `.js` files are declared to be ECMAScript modules.
    pub(super) fn is_module(&self) -> bool {
        self.text("type") == Some("module")
    }

    /// Returns the file that bundlers use for an import of the package.
    pub(super) fn module(&self) -> Option<&str> {
        self.text("module")
    }

    /// Returns the file that replaces `main` in environments without Node.js.
    pub(super) fn browser(&self) -> Option<&str> {
        self.text("browser")
    }

    /// Returns the replacements of files and packages in environments without Node.js.
    pub(super) fn browser_map(&self) -> Option<&Map<String, Value>> {
        self.fields.get("browser")?.as_object()
    }

    /// Returns true if it mentions browsers anywhere.
    pub(super) fn names_browser(&self) -> bool {
        self.names_browser
    }

    /// Returns the file that `require` uses.
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
