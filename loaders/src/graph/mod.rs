//! The graph of a program: its modules and the target of each import.
//!
//! spec/graph.md is the normative description of the format.

mod content;
mod decode;
mod encode;
mod error;
mod text;
mod validate;

pub use error::GraphError;
pub(crate) use validate::{file_path, is_export_name, package_name_is_good};

use std::collections::BTreeMap;

use crate::ContentHash;

/// The version of the format that this crate writes and reads.
pub const GRAPH_VERSION: u64 = 2;

/// The limits of a [`Graph`]. Each is far above the needs of real programs, and bounds the work that untrusted bytes
/// can cause.
pub mod limits {
    /// Maximum number of packages in a graph.
    pub const PACKAGES: usize = 10_000;
    /// Maximum number of modules in a graph.
    pub const MODULES: usize = 100_000;
    /// Maximum number of imports of one module.
    pub const IMPORTS: usize = 10_000;
    /// Maximum number of grant lines of one package or module.
    pub const GRANTS: usize = 1_000;
    /// Maximum number of bounds of one package.
    pub const BOUNDS: usize = 1_000;
    /// Maximum number of entries in the manifest's `[imports]`.
    pub const IMPORT_MAP: usize = 10_000;
    /// Maximum number of globals of one module.
    pub const GLOBALS: usize = 10_000;
    /// Maximum number of names that a CommonJS module exports.
    pub const EXPORTS: usize = 10_000;
    /// Maximum size of one name, specifier, version or grant line, in bytes.
    pub const TEXT: usize = 4_096;
    /// Maximum size of one module, in bytes.
    pub const MODULE_SIZE: u64 = crate::store::MAX_BLOB_SIZE;
    /// Maximum size of an encoded graph, in bytes.
    pub const ENCODED: u64 = 64 * 1024 * 1024;
    /// Maximum size of the text of a graph, in bytes.
    pub const TEXT_FORM: u64 = 256 * 1024 * 1024;
}

/// A program: its packages, its modules with their hashes, and the target of each import.
///
/// A `Graph` is always valid. Equal graphs have equal bytes and therefore equal hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    entry: u32,
    packages: Vec<Package>,
    modules: Vec<Module>,
    import_map: BTreeMap<String, String>,
}

/// A set of modules that hold the same grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// The name. The program itself has the name `""`. A package that the program imports has its name in the manifest.
    /// A package that the package `parent` imports as `name` has the name `parent>name`.
    pub name: String,
    /// The version from package.json. It is informational.
    pub version: Option<String>,
    /// The grants, as canonical lines in ascending order. This crate does not interpret them.
    pub grants: Vec<String>,
    /// The global names that the package's modules were given by earlier versions, in ascending order. Now all modules
    /// find all names, and locking writes none. The field stays so that earlier graphs keep their hashes.
    pub globals: Vec<String>,
    /// True if the package runs in its own isolate. Always false for the program itself.
    pub isolate: bool,
    /// The limits and the required signatures of the package, as canonical lines in ascending order. This crate does
    /// not interpret them.
    pub bounds: Vec<String>,
}

/// One module: a file, or the result of transforming a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The name: `app:/` or the package's name and `/`, then the path of the file below the package's folder.
    pub name: String,
    /// The index of its package in [`Graph::packages`].
    pub package: u32,
    /// The hash of the bytes that the engine gets.
    pub hash: ContentHash,
    /// The size of these bytes.
    pub size: u64,
    /// The kind of these bytes.
    pub kind: ModuleKind,
    /// The origin of these bytes, if they are the result of a transformation. `None` if they are the file's own.
    pub origin: Option<Origin>,
    /// The index of the target module for each specifier that the module may import.
    pub imports: BTreeMap<String, u32>,
    /// The names that the module uses without declaring or importing them, in ascending order. It expects them in the
    /// global environment, from `Array` to `process`.
    pub globals: Vec<String>,
    /// The grants of this module, if it has fewer than its package. The format is that of [`Package::grants`].
    pub grants: Option<Vec<String>>,
}

/// The kind of a module's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModuleKind {
    /// An ECMAScript module.
    JavaScript,
    /// JSON. The module's default export is the parsed value.
    Json,
    /// Text. The module's default export is the string.
    Text,
    /// Arbitrary bytes. The module's default export is a `Uint8Array`.
    Bytes,
    /// A WebAssembly module. Its exports are the module's exports.
    Wasm,
}

/// The origin of a transformed module.
///
/// The module's bytes are a function of the source and the graph. Everyone who has both can compute the bytes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The transformation that was applied to the source.
    pub transformation: Transformation,
    /// The hash of the source, which is the bytes of the file.
    pub hash: ContentHash,
    /// The size of the source, in bytes.
    pub size: u64,
    /// The names besides `default` that ECMAScript modules import from this module, in ascending order. Only
    /// [`Transformation::ImportedCommonJs`] and [`Transformation::LeftOut`] have them.
    pub exports: Vec<String>,
    /// The specifiers that the module requires and gets an empty object for, in ascending order. The package declares
    /// that it works without them. Only CommonJS modules have them.
    pub omitted: Vec<String>,
}

/// A transformation from a file to a module. The section "Transformations" of spec/graph.md describes each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transformation {
    /// A CommonJS file that only CommonJS modules require. It is evaluated when it is first required.
    CommonJs,
    /// A CommonJS file that ECMAScript modules import. It is evaluated when it is first imported or required.
    ImportedCommonJs,
    /// An ECMAScript module in which `"production"` replaces `process.env.NODE_ENV`, and `undefined` replaces other
    /// variables.
    Constants,
    /// TypeScript without its types.
    TypeScript,
    /// An empty module that replaces a module which a package works without. There is no file.
    LeftOut,
}

impl Transformation {
    pub(crate) const ALL: [Self; 5] = [
        Self::CommonJs,
        Self::ImportedCommonJs,
        Self::Constants,
        Self::TypeScript,
        Self::LeftOut,
    ];

    /// Returns the name that messages use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CommonJs | Self::ImportedCommonJs => "CommonJS",
            Self::Constants => "constants replaced",
            Self::TypeScript => "TypeScript",
            Self::LeftOut => "left out",
        }
    }

    /// Returns true if the module is made from a CommonJS file.
    #[must_use]
    pub fn is_common_js(self) -> bool {
        matches!(self, Self::CommonJs | Self::ImportedCommonJs)
    }
}

impl ModuleKind {
    pub(crate) const ALL: [Self; 5] = [Self::JavaScript, Self::Json, Self::Text, Self::Bytes, Self::Wasm];

    /// Returns the name that messages and `import … with { type }` use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::Json => "json",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Wasm => "wasm",
        }
    }
}

impl Graph {
    /// Builds a graph from these parts.
    ///
    /// # Errors
    /// Returns an error if the parts violate a rule of spec/graph.md.
    pub fn new(entry: u32, packages: Vec<Package>, modules: Vec<Module>) -> Result<Self, GraphError> {
        let graph = Self {
            entry,
            packages,
            modules,
            import_map: BTreeMap::new(),
        };
        validate::validate(&graph)?;
        Ok(graph)
    }

    /// Adds the entries of the manifest's `[imports]` that the program was locked with. Each value is in canonical
    /// form.
    ///
    /// # Errors
    /// Returns an error if an entry violates a rule of spec/graph.md.
    pub fn with_import_map(mut self, entries: BTreeMap<String, String>) -> Result<Self, GraphError> {
        self.import_map = entries;
        validate::validate(&self)?;
        Ok(self)
    }

    /// Decodes a graph.
    ///
    /// # Errors
    /// Returns an error unless `bytes` are exactly the bytes that [`encode`](Self::encode) writes for a valid graph.
    pub fn decode(bytes: &[u8]) -> Result<Self, GraphError> {
        let graph = decode::decode(bytes)?;
        validate::validate(&graph)?;
        // This check rejects every other encoding of the same graph: longer integers, lists of indefinite length, other
        // orders of keys, trailing bytes.
        if let Some(offset) = encode::first_difference(&graph.encode(), bytes) {
            return Err(GraphError::NotCanonical { offset });
        }
        Ok(graph)
    }

    /// Encodes the graph as deterministic CBOR, which is the same on every machine.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::encode(self)
    }

    /// Returns the graph hash, which identifies the program: the hash of [`encode`](Self::encode).
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.encode())
    }

    /// Returns the version of the format.
    #[must_use]
    pub fn version(&self) -> u64 {
        GRAPH_VERSION
    }

    /// Returns the index of the entry module.
    #[must_use]
    pub fn entry(&self) -> u32 {
        self.entry
    }

    /// Returns the packages. The first is the program itself. The others are in the order of their names.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Returns the modules in the order of package, then name.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Returns the entries of the manifest's `[imports]` that the graph was locked with.
    #[must_use]
    pub fn import_map(&self) -> &BTreeMap<String, String> {
        &self.import_map
    }

    /// Returns the module with this index.
    #[must_use]
    pub fn module(&self, index: u32) -> Option<&Module> {
        self.modules.get(usize::try_from(index).ok()?)
    }

    /// Returns the package with this index.
    #[must_use]
    pub fn package(&self, index: u32) -> Option<&Package> {
        self.packages.get(usize::try_from(index).ok()?)
    }

    /// Returns the package of `module`, which must be a module of this graph.
    #[must_use]
    pub fn package_of(&self, module: &Module) -> Option<&Package> {
        self.package(module.package)
    }
}

impl Package {
    /// Returns the prefix of the names of the package's modules.
    #[must_use]
    pub fn module_prefix(&self) -> String {
        if self.name.is_empty() {
            "app:/".to_owned()
        } else {
            format!("{}/", self.name)
        }
    }
}

impl Module {
    /// Returns the path of the module's file below the folder of `package`, which must be the module's package.
    #[must_use]
    pub fn path_in<'a>(&'a self, package: &Package) -> Option<&'a str> {
        self.name.strip_prefix(&package.module_prefix())
    }

    /// Returns the hash and the size of the module's file. For a transformed module this is the source.
    #[must_use]
    pub fn file(&self) -> (&ContentHash, u64) {
        match &self.origin {
            Some(origin) => (&origin.hash, origin.size),
            None => (&self.hash, self.size),
        }
    }
}
