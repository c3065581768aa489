//! The encoder for graphs: deterministic CBOR (RFC 8949 section 4.2.1).
//!
//! Maps have small integer keys in ascending order. Specifiers are the only text keys. They are sorted like their
//! encodings: shorter keys first, then bytewise.

use std::collections::BTreeMap;
use std::convert::Infallible;

use cbor4ii::core::enc::{Encode, Error, Write};
use cbor4ii::core::types;

use super::{GRAPH_VERSION, Graph, Module, ModuleKind, Origin, Package, Transformation};
use crate::ContentHash;

/// The keys of the four kinds of map.
pub(super) mod key {
    pub(in crate::graph) mod graph {
        pub(in crate::graph) const VERSION: u64 = 0;
        pub(in crate::graph) const ENTRY: u64 = 1;
        pub(in crate::graph) const PACKAGES: u64 = 2;
        pub(in crate::graph) const MODULES: u64 = 3;
        pub(in crate::graph) const IMPORT_MAP: u64 = 4;
        pub(in crate::graph) const SEAL: u64 = 5;
    }
    pub(in crate::graph) mod package {
        pub(in crate::graph) const NAME: u64 = 0;
        pub(in crate::graph) const VERSION: u64 = 1;
        pub(in crate::graph) const GRANTS: u64 = 2;
        pub(in crate::graph) const GLOBALS: u64 = 3;
        pub(in crate::graph) const ISOLATE: u64 = 4;
        pub(in crate::graph) const BOUNDS: u64 = 5;
    }
    pub(in crate::graph) mod module {
        pub(in crate::graph) const NAME: u64 = 0;
        pub(in crate::graph) const PACKAGE: u64 = 1;
        pub(in crate::graph) const HASH: u64 = 2;
        pub(in crate::graph) const SIZE: u64 = 3;
        pub(in crate::graph) const KIND: u64 = 4;
        pub(in crate::graph) const IMPORTS: u64 = 5;
        pub(in crate::graph) const GRANTS: u64 = 6;
        pub(in crate::graph) const GLOBALS: u64 = 7;
        pub(in crate::graph) const ORIGIN: u64 = 8;
    }
    pub(in crate::graph) mod origin {
        pub(in crate::graph) const TRANSFORMATION: u64 = 0;
        pub(in crate::graph) const HASH: u64 = 1;
        pub(in crate::graph) const SIZE: u64 = 2;
        pub(in crate::graph) const EXPORTS: u64 = 3;
        pub(in crate::graph) const OMITTED: u64 = 4;
    }
}

/// The value of [`key::package::ISOLATE`]. The key is present only for packages that run in their own isolate.
pub(super) const ISOLATED: u64 = 1;

/// Returns the number that encodes a kind of module.
pub(super) fn kind_number(kind: ModuleKind) -> u64 {
    match kind {
        ModuleKind::JavaScript => 0,
        ModuleKind::Json => 1,
        ModuleKind::Text => 2,
        ModuleKind::Bytes => 3,
        ModuleKind::Wasm => 4,
    }
}

/// Returns the number that encodes a transformation.
pub(super) fn transformation_number(transformation: Transformation) -> u64 {
    match transformation {
        Transformation::CommonJs => 1,
        Transformation::ImportedCommonJs => 2,
        Transformation::Constants => 3,
        Transformation::TypeScript => 4,
        Transformation::LeftOut => 5,
    }
}

pub(super) fn encode(graph: &Graph) -> Vec<u8> {
    let mut writer = Writer(Bytes(Vec::new()));
    writer.map(6);
    writer.unsigned(key::graph::VERSION);
    writer.unsigned(GRAPH_VERSION);
    writer.unsigned(key::graph::ENTRY);
    writer.unsigned(graph.entry.into());
    writer.unsigned(key::graph::PACKAGES);
    writer.array(graph.packages.len());
    for package in &graph.packages {
        writer.package(package);
    }
    writer.unsigned(key::graph::MODULES);
    writer.array(graph.modules.len());
    for module in &graph.modules {
        writer.module(module);
    }
    writer.unsigned(key::graph::IMPORT_MAP);
    let entries = in_order(&graph.import_map);
    writer.map(entries.len());
    for (specifier, target) in entries {
        writer.text(specifier);
        writer.text(target);
    }
    writer.unsigned(key::graph::SEAL);
    // The seal is the hash of all bytes before its own 32. The graph is encoded with a placeholder, which is then
    // replaced.
    writer.hash(&ContentHash::from_bytes([0; ContentHash::LENGTH]));
    let mut bytes = writer.0.0;
    bytes.truncate(bytes.len() - ContentHash::LENGTH);
    let seal = ContentHash::of(&bytes);
    bytes.extend_from_slice(seal.as_bytes());
    bytes
}

/// Returns the entries in the order of their encoded keys: shorter keys first, then bytewise.
fn in_order<T>(entries: &BTreeMap<String, T>) -> Vec<(&String, &T)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| (key.len(), *key));
    entries
}

/// Returns the offset of the first byte in which `left` and `right` differ.
pub(super) fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    let shared = left
        .iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count();
    (shared < left.len().max(right.len())).then_some(shared)
}

/// A vector that cbor4ii writes to. Unlike cbor4ii's own writers, it cannot fail.
struct Bytes(Vec<u8>);

impl Write for Bytes {
    type Error = Infallible;

    fn push(&mut self, input: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(input);
        Ok(())
    }
}

struct Writer(Bytes);

impl Writer {
    /// Writes to the vector. A vector accepts every byte, and cbor4ii's other errors concern items that a graph does
    /// not contain.
    fn put(&mut self, write: impl FnOnce(&mut Bytes) -> Result<(), Error<Infallible>>) {
        let written = write(&mut self.0);
        debug_assert!(written.is_ok(), "a vector takes every byte");
    }

    fn unsigned(&mut self, value: u64) {
        self.put(|bytes| value.encode(bytes));
    }

    fn text(&mut self, text: &str) {
        self.put(|bytes| text.encode(bytes));
    }

    fn hash(&mut self, hash: &ContentHash) {
        self.put(|bytes| types::Bytes(hash.as_bytes().as_slice()).encode(bytes));
    }

    fn array(&mut self, length: usize) {
        self.put(|bytes| types::Array::bounded(length, bytes));
    }

    fn map(&mut self, length: usize) {
        self.put(|bytes| types::Map::bounded(length, bytes));
    }

    fn texts(&mut self, texts: &[String]) {
        self.array(texts.len());
        for text in texts {
            self.text(text);
        }
    }

    fn package(&mut self, package: &Package) {
        let optional = [
            package.version.is_some(),
            !package.globals.is_empty(),
            package.isolate,
            !package.bounds.is_empty(),
        ];
        self.map(2 + optional.into_iter().filter(|is_there| *is_there).count());
        self.unsigned(key::package::NAME);
        self.text(&package.name);
        if let Some(version) = &package.version {
            self.unsigned(key::package::VERSION);
            self.text(version);
        }
        self.unsigned(key::package::GRANTS);
        self.texts(&package.grants);
        if !package.globals.is_empty() {
            self.unsigned(key::package::GLOBALS);
            self.texts(&package.globals);
        }
        if package.isolate {
            self.unsigned(key::package::ISOLATE);
            self.unsigned(ISOLATED);
        }
        if !package.bounds.is_empty() {
            self.unsigned(key::package::BOUNDS);
            self.texts(&package.bounds);
        }
    }

    fn module(&mut self, module: &Module) {
        let optional = [
            module.grants.is_some(),
            !module.globals.is_empty(),
            module.origin.is_some(),
        ];
        self.map(6 + optional.into_iter().filter(|is_there| *is_there).count());
        self.unsigned(key::module::NAME);
        self.text(&module.name);
        self.unsigned(key::module::PACKAGE);
        self.unsigned(module.package.into());
        self.unsigned(key::module::HASH);
        self.hash(&module.hash);
        self.unsigned(key::module::SIZE);
        self.unsigned(module.size);
        self.unsigned(key::module::KIND);
        self.unsigned(kind_number(module.kind));
        self.unsigned(key::module::IMPORTS);
        let imports = in_order(&module.imports);
        self.map(imports.len());
        for (specifier, target) in imports {
            self.text(specifier);
            self.unsigned((*target).into());
        }
        if let Some(grants) = &module.grants {
            self.unsigned(key::module::GRANTS);
            self.texts(grants);
        }
        if !module.globals.is_empty() {
            self.unsigned(key::module::GLOBALS);
            self.texts(&module.globals);
        }
        if let Some(origin) = &module.origin {
            self.unsigned(key::module::ORIGIN);
            self.origin(origin);
        }
    }

    fn origin(&mut self, origin: &Origin) {
        self.map(3 + usize::from(!origin.exports.is_empty()) + usize::from(!origin.omitted.is_empty()));
        self.unsigned(key::origin::TRANSFORMATION);
        self.unsigned(transformation_number(origin.transformation));
        self.unsigned(key::origin::HASH);
        self.hash(&origin.hash);
        self.unsigned(key::origin::SIZE);
        self.unsigned(origin.size);
        if !origin.exports.is_empty() {
            self.unsigned(key::origin::EXPORTS);
            self.texts(&origin.exports);
        }
        if !origin.omitted.is_empty() {
            self.unsigned(key::origin::OMITTED);
            self.texts(&origin.omitted);
        }
    }
}
