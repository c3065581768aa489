//! A graph as deterministic CBOR (RFC 8949 section 4.2.1).
//!
//! Maps have small integer keys, written in ascending order; specifiers, the only text keys, are
//! sorted as their encodings are: the shorter first, then bytewise.

use super::{GRAPH_VERSION, Graph, Module, ModuleKind, Package};
use crate::ContentHash;

/// The kinds of CBOR items that a graph has: the three highest bits of an item's first byte.
pub(super) mod major {
    pub(in crate::graph) const UNSIGNED: u8 = 0;
    pub(in crate::graph) const BYTES: u8 = 2;
    pub(in crate::graph) const TEXT: u8 = 3;
    pub(in crate::graph) const ARRAY: u8 = 4;
    pub(in crate::graph) const MAP: u8 = 5;
}

/// The keys of the three kinds of maps.
pub(super) mod key {
    pub(in crate::graph) mod graph {
        pub(in crate::graph) const VERSION: u64 = 0;
        pub(in crate::graph) const ENTRY: u64 = 1;
        pub(in crate::graph) const PACKAGES: u64 = 2;
        pub(in crate::graph) const MODULES: u64 = 3;
        pub(in crate::graph) const SEAL: u64 = 4;
    }
    pub(in crate::graph) mod package {
        pub(in crate::graph) const NAME: u64 = 0;
        pub(in crate::graph) const VERSION: u64 = 1;
        pub(in crate::graph) const GRANTS: u64 = 2;
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
    }
}

/// The number that stands for a kind of module.
pub(super) fn kind_number(kind: ModuleKind) -> u64 {
    match kind {
        ModuleKind::JavaScript => 0,
        ModuleKind::Json => 1,
    }
}

pub(super) fn encode(graph: &Graph) -> Vec<u8> {
    let mut writer = Writer(Vec::new());
    writer.map(5);
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
    writer.unsigned(key::graph::SEAL);
    writer.head(major::BYTES, ContentHash::LENGTH as u64);
    let seal = ContentHash::of(&writer.0);
    writer.0.extend_from_slice(seal.as_bytes());
    writer.0
}

/// The offset of the first byte in which `left` and `right` differ.
pub(super) fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    let shared = left
        .iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count();
    (shared < left.len().max(right.len())).then_some(shared)
}

struct Writer(Vec<u8>);

impl Writer {
    /// The start of an item: its kind and its value or length, in the fewest bytes.
    fn head(&mut self, major: u8, value: u64) {
        let kind = major << 5;
        let bytes = value.to_be_bytes();
        let (marker, width) = match value {
            0..=23 => (bytes[7], 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        self.0.push(kind | marker);
        self.0.extend(bytes.iter().skip(bytes.len() - width));
    }

    fn unsigned(&mut self, value: u64) {
        self.head(major::UNSIGNED, value);
    }

    fn text(&mut self, text: &str) {
        self.head(major::TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn array(&mut self, length: usize) {
        self.head(major::ARRAY, length as u64);
    }

    fn map(&mut self, length: usize) {
        self.head(major::MAP, length as u64);
    }

    fn texts(&mut self, texts: &[String]) {
        self.array(texts.len());
        for text in texts {
            self.text(text);
        }
    }

    fn package(&mut self, package: &Package) {
        self.map(2 + usize::from(package.version.is_some()));
        self.unsigned(key::package::NAME);
        self.text(&package.name);
        if let Some(version) = &package.version {
            self.unsigned(key::package::VERSION);
            self.text(version);
        }
        self.unsigned(key::package::GRANTS);
        self.texts(&package.grants);
    }

    fn module(&mut self, module: &Module) {
        self.map(6 + usize::from(module.grants.is_some()) + usize::from(!module.globals.is_empty()));
        self.unsigned(key::module::NAME);
        self.text(&module.name);
        self.unsigned(key::module::PACKAGE);
        self.unsigned(module.package.into());
        self.unsigned(key::module::HASH);
        self.head(major::BYTES, ContentHash::LENGTH as u64);
        self.0.extend_from_slice(module.hash.as_bytes());
        self.unsigned(key::module::SIZE);
        self.unsigned(module.size);
        self.unsigned(key::module::KIND);
        self.unsigned(kind_number(module.kind));
        self.unsigned(key::module::IMPORTS);
        let mut imports: Vec<(&String, &u32)> = module.imports.iter().collect();
        imports.sort_unstable_by_key(|(specifier, _)| (specifier.len(), *specifier));
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
    }
}
