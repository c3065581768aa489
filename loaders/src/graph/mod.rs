//! Graphs: which modules a program has, and what each import means.
//!
//! spec/graph.md is the normative description of the format.

mod content;
mod decode;
mod encode;
mod error;
mod validate;

pub use error::GraphError;
pub(crate) use validate::{file_path, is_export_name, package_name_is_good};

use std::collections::BTreeMap;

use crate::ContentHash;

/// The version of the format that this crate writes and reads.
pub const GRAPH_VERSION: u64 = 2;

/// What [`Graph`] accepts at most. Each limit is far above real programs and bounds the work that
/// bytes from a stranger can cause.
pub mod limits {
    /// Packages in a graph.
    pub const PACKAGES: usize = 10_000;
    /// Modules in a graph.
    pub const MODULES: usize = 100_000;
    /// Imports of one module.
    pub const IMPORTS: usize = 10_000;
    /// Grant lines of one package or module.
    pub const GRANTS: usize = 1_000;
    /// Bounds of one package.
    pub const BOUNDS: usize = 1_000;
    /// Entries of the manifest's `[imports]`.
    pub const IMPORT_MAP: usize = 10_000;
    /// The most globals of one module.
    pub const GLOBALS: usize = 10_000;
    /// The most names that a module of CommonJS exports.
    pub const EXPORTS: usize = 10_000;
    /// Bytes of one name, specifier, version or grant line.
    pub const TEXT: usize = 4_096;
    /// Bytes of one module.
    pub const MODULE_SIZE: u64 = crate::store::MAX_BLOB_SIZE;
    /// Bytes of an encoded graph.
    pub const ENCODED: u64 = 64 * 1024 * 1024;
}

/// A program: its packages, its modules with their hashes, and what each import of each module means.
///
/// A `Graph` is always valid; equal graphs have equal bytes and therefore equal hashes.
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
    /// `""` for the program itself; the name in the manifest for a package that the program
    /// imports; `parent>name` for one that the package `parent` imports as `name`.
    pub name: String,
    /// The version in its package.json, for people.
    pub version: Option<String>,
    /// The grants as canonical lines in ascending order. Nothing in this crate interprets them.
    pub grants: Vec<String>,
    /// The names beyond the standard's that its modules find in their environment, in ascending order. Nothing in this
    /// crate interprets them.
    pub globals: Vec<String>,
    /// Whether it runs in an isolate of its own; the program itself does not.
    pub isolate: bool,
    /// The limits of the package and the signatures that it needs, as canonical lines in ascending order. Nothing in this
    /// crate interprets them.
    pub bounds: Vec<String>,
}

/// One module: a file, or what a file was transformed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// `app:/` or the package's name and `/`, then the path of the file below the package's folder.
    pub name: String,
    /// The index of its package in [`Graph::packages`].
    pub package: u32,
    /// The hash of its bytes, as the engine gets them.
    pub hash: ContentHash,
    /// How many bytes it has.
    pub size: u64,
    /// What its bytes are.
    pub kind: ModuleKind,
    /// What they were made from, where they are not the file's own.
    pub origin: Option<Origin>,
    /// For each specifier that it may import, the index of the module that is meant.
    pub imports: BTreeMap<String, u32>,
    /// The names that it uses and neither declares nor imports, in ascending order: what it expects
    /// of its environment, from `Array` to `process`.
    pub globals: Vec<String>,
    /// The grants of this module, where it has fewer than its package; as [`Package::grants`].
    pub grants: Option<Vec<String>>,
}

/// What the bytes of a module are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModuleKind {
    /// An ECMAScript module.
    JavaScript,
    /// JSON; the module's default export is the value.
    Json,
    /// Text; the module's default export is the string.
    Text,
    /// Any bytes; the module's default export is a `Uint8Array`.
    Bytes,
    /// A WebAssembly module; its exports are the module's exports.
    Wasm,
}

/// Where the bytes of a transformed module come from.
///
/// They are a function of the source and of what the graph says; so whoever has the source can make them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What was done to the source.
    pub transformation: Transformation,
    /// The hash of the source: of the file's bytes.
    pub hash: ContentHash,
    /// How many bytes the source has.
    pub size: u64,
    /// The names that ECMAScript modules import from it, besides `default`, in ascending order; only for
    /// [`Transformation::ImportedCommonJs`] and [`Transformation::LeftOut`].
    pub exports: Vec<String>,
    /// What it requires and gets an empty object for, since its package says that it can do without; in ascending order;
    /// only for CommonJS.
    pub omitted: Vec<String>,
}

/// What makes a module of a file that is none. The section "Transformations" of spec/graph.md describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transformation {
    /// CommonJS that only CommonJS requires: it is evaluated when it is first required.
    CommonJs,
    /// CommonJS that ECMAScript modules import: it is evaluated when it is first imported or required.
    ImportedCommonJs,
    /// An ECMAScript module in which `process.env.NODE_ENV` was replaced by `"production"`, and other variables by nothing.
    Constants,
    /// TypeScript without its types.
    TypeScript,
    /// No file: an empty module in the place of what a package does without.
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

    /// As people call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CommonJs | Self::ImportedCommonJs => "CommonJS",
            Self::Constants => "constants replaced",
            Self::TypeScript => "TypeScript",
            Self::LeftOut => "left out",
        }
    }

    /// Whether the module is made of a CommonJS file.
    #[must_use]
    pub fn is_common_js(self) -> bool {
        matches!(self, Self::CommonJs | Self::ImportedCommonJs)
    }
}

impl ModuleKind {
    pub(crate) const ALL: [Self; 5] = [Self::JavaScript, Self::Json, Self::Text, Self::Bytes, Self::Wasm];

    /// As people and `import … with { type }` call it.
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
    /// The graph with these parts.
    ///
    /// # Errors
    /// When the parts break a rule of spec/graph.md.
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

    /// This graph, locked with these entries of the manifest's `[imports]`, each value in its canonical form.
    ///
    /// # Errors
    /// When an entry breaks a rule of spec/graph.md.
    pub fn with_import_map(mut self, entries: BTreeMap<String, String>) -> Result<Self, GraphError> {
        self.import_map = entries;
        validate::validate(&self)?;
        Ok(self)
    }

    /// The graph that `bytes` encode.
    ///
    /// # Errors
    /// When `bytes` are anything but what [`encode`](Self::encode) writes for some valid graph.
    pub fn decode(bytes: &[u8]) -> Result<Self, GraphError> {
        let graph = decode::decode(bytes)?;
        validate::validate(&graph)?;
        // The one test that leaves no other spelling of the same graph: longer integers, lists of
        // unknown length, other key orders, bytes after the end.
        if let Some(offset) = encode::first_difference(&graph.encode(), bytes) {
            return Err(GraphError::NotCanonical { offset });
        }
        Ok(graph)
    }

    /// The graph's bytes: deterministic CBOR, the same on every machine.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::encode(self)
    }

    /// The graph hash, which names the program: the hash of [`encode`](Self::encode).
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.encode())
    }

    /// The format's version.
    #[must_use]
    pub fn version(&self) -> u64 {
        GRAPH_VERSION
    }

    /// The index of the module that runs first.
    #[must_use]
    pub fn entry(&self) -> u32 {
        self.entry
    }

    /// The packages; the first is the program itself, the others are in order of their names.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The modules in order of package, then name.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The entries of the manifest's `[imports]` that the graph was locked with.
    #[must_use]
    pub fn import_map(&self) -> &BTreeMap<String, String> {
        &self.import_map
    }

    /// The module with index `index`.
    #[must_use]
    pub fn module(&self, index: u32) -> Option<&Module> {
        self.modules.get(usize::try_from(index).ok()?)
    }

    /// The package with index `index`.
    #[must_use]
    pub fn package(&self, index: u32) -> Option<&Package> {
        self.packages.get(usize::try_from(index).ok()?)
    }

    /// The package of `module`, which is one of this graph's modules.
    #[must_use]
    pub fn package_of(&self, module: &Module) -> Option<&Package> {
        self.package(module.package)
    }
}

impl Package {
    /// What the names of the package's modules begin with.
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
    /// The path of the module's file below the folder of `package`, which is its package.
    #[must_use]
    pub fn path_in<'a>(&'a self, package: &Package) -> Option<&'a str> {
        self.name.strip_prefix(&package.module_prefix())
    }

    /// The hash and the size of its file: of its source where it was transformed.
    #[must_use]
    pub fn file(&self) -> (&ContentHash, u64) {
        match &self.origin {
            Some(origin) => (&origin.hash, origin.size),
            None => (&self.hash, self.size),
        }
    }
}
