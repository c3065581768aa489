//! The decoder for a graph's CBOR. It accepts only the bytes that [`encode`](super::encode) writes.

use std::collections::BTreeMap;

use super::encode::{ISOLATED, key, kind_number, transformation_number};
use super::{GRAPH_VERSION, Graph, GraphError, Module, ModuleKind, Origin, Package, Transformation, limits};
use crate::ContentHash;

/// The CBOR major types that a graph uses: the three highest bits of an item's first byte.
///
/// This module decodes CBOR itself. cbor4ii also accepts encodings that are not canonical, and its errors do not say at
/// which offset they occurred. It is used for encoding only.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
}

pub(super) fn decode(bytes: &[u8]) -> Result<Graph, GraphError> {
    within("the graph", bytes.len() as u64, limits::ENCODED)?;
    let mut reader = Reader { bytes, offset: 0 };
    // Version 1 had one entry fewer. Accepting 5 entries here lets the error report the version instead of the shape.
    let fields = reader.map("the graph", 5..=6)?;
    reader.key("the version", key::graph::VERSION)?;
    let version = reader.unsigned("the version")?;
    if version != GRAPH_VERSION {
        return Err(GraphError::Version { found: version });
    }
    if fields != 6 {
        return Err(reader.malformed(
            0,
            "a map with 6 entries",
            format!("found a map with {fields} entries"),
        ));
    }
    reader.key("the entry", key::graph::ENTRY)?;
    let entry = reader.index("the entry")?;
    reader.key("the packages", key::graph::PACKAGES)?;
    let packages = reader.list("the packages", limits::PACKAGES, package)?;
    reader.key("the modules", key::graph::MODULES)?;
    let modules = reader.list("the modules", limits::MODULES, module)?;
    reader.key("the import map", key::graph::IMPORT_MAP)?;
    let import_map = reader.entries("the import map", limits::IMPORT_MAP, |reader| {
        reader.text("an import map's target")
    })?;
    reader.key("the seal", key::graph::SEAL)?;
    seal(&mut reader)?;
    Ok(Graph {
        entry,
        packages,
        modules,
        import_map,
    })
}

/// Checks that the last 32 bytes are the hash of all bytes before them.
///
/// The seal detects damage anywhere, including damage that results in another valid graph. It does not protect against
/// forgery: anyone who forges a graph can compute its seal.
fn seal(reader: &mut Reader<'_>) -> Result<(), GraphError> {
    let end = reader.offset + 2;
    let seal = reader.hash("the seal")?;
    if reader.offset != reader.bytes.len() {
        return Err(reader.malformed(reader.offset, "the end", "there are more bytes"));
    }
    match reader.bytes.get(..end) {
        Some(sealed) if ContentHash::of(sealed) == seal => Ok(()),
        _ => Err(GraphError::Seal),
    }
}

fn package(reader: &mut Reader<'_>) -> Result<Package, GraphError> {
    let fields = reader.map("a package", 2..=6)?;
    let mut package = Package::default();
    reader.key("a package's name", key::package::NAME)?;
    package.name = reader.text("a package's name")?;
    let (mut has_grants, mut least) = (false, key::package::VERSION);
    for _ in 1..fields {
        let offset = reader.offset;
        let found = reader.unsigned("a package's key")?;
        match found {
            key::package::VERSION if least <= found => {
                package.version = Some(reader.text("a package's version")?);
            }
            key::package::GRANTS if least <= found => {
                package.grants = reader.list("a package's grants", limits::GRANTS, grant)?;
                has_grants = true;
            }
            key::package::GLOBALS if least <= found && has_grants => {
                package.globals = reader.list("a package's globals", limits::GLOBALS, global)?;
            }
            key::package::ISOLATE if least <= found && has_grants => {
                let offset = reader.offset;
                let marked = reader.unsigned("a package's isolate")?;
                if marked != ISOLATED {
                    return Err(reader.malformed(offset, "1", format!("{marked} stands")));
                }
                package.isolate = true;
            }
            key::package::BOUNDS if least <= found && has_grants => {
                package.bounds = reader.list("a package's bounds", limits::BOUNDS, |reader| {
                    reader.text("a bound")
                })?;
            }
            other => {
                return Err(reader.malformed(
                    offset,
                    "a package's next key",
                    format!("found the key {other}"),
                ));
            }
        }
        least = found + 1;
    }
    if has_grants {
        Ok(package)
    } else {
        Err(reader.malformed(reader.offset, "a package's grants", "there are none"))
    }
}

fn module(reader: &mut Reader<'_>) -> Result<Module, GraphError> {
    let fields = reader.map("a module", 6..=9)?;
    reader.key("a module's name", key::module::NAME)?;
    let name = reader.text("a module's name")?;
    reader.key("a module's package", key::module::PACKAGE)?;
    let package = reader.index("a module's package")?;
    reader.key("a module's hash", key::module::HASH)?;
    let hash = reader.hash("a module's hash")?;
    reader.key("a module's size", key::module::SIZE)?;
    let size = reader.unsigned("a module's size")?;
    reader.key("a module's kind", key::module::KIND)?;
    let kind = kind(reader)?;
    reader.key("a module's imports", key::module::IMPORTS)?;
    let imports = reader.entries("a module's imports", limits::IMPORTS, |reader| {
        reader.index("a specifier's module")
    })?;
    let (mut grants, mut globals, mut origin) = (None, Vec::new(), None);
    // The lowest key that may follow: each key may occur once, in ascending order.
    let mut least = key::module::GRANTS;
    for _ in 6..fields {
        let offset = reader.offset;
        match reader.unsigned("a module's key")? {
            key::module::GRANTS if least <= key::module::GRANTS => {
                grants = Some(reader.list("a module's grants", limits::GRANTS, grant)?);
                least = key::module::GLOBALS;
            }
            key::module::GLOBALS if least <= key::module::GLOBALS => {
                globals = reader.list("a module's globals", limits::GLOBALS, global)?;
                least = key::module::ORIGIN;
            }
            key::module::ORIGIN if least <= key::module::ORIGIN => {
                origin = Some(self::origin(reader)?);
                least = u64::MAX;
            }
            other => {
                return Err(reader.malformed(
                    offset,
                    "a module's next key",
                    format!("found the key {other}"),
                ));
            }
        }
    }
    Ok(Module {
        name,
        package,
        hash,
        size,
        kind,
        origin,
        imports,
        globals,
        grants,
    })
}

fn origin(reader: &mut Reader<'_>) -> Result<Origin, GraphError> {
    let fields = reader.map("a module's origin", 3..=5)?;
    reader.key("a transformation", key::origin::TRANSFORMATION)?;
    let offset = reader.offset;
    let number = reader.unsigned("a transformation")?;
    let transformation = Transformation::ALL
        .into_iter()
        .find(|known| transformation_number(*known) == number)
        .ok_or_else(|| {
            reader.malformed(
                offset,
                "a transformation from 1 to 5",
                format!("{number} stands there"),
            )
        })?;
    reader.key("a source's hash", key::origin::HASH)?;
    let hash = reader.hash("a source's hash")?;
    reader.key("a source's size", key::origin::SIZE)?;
    let size = reader.unsigned("a source's size")?;
    let (mut exports, mut omitted) = (Vec::new(), Vec::new());
    // Like in a module, each key may occur once, in ascending order.
    let mut least = key::origin::EXPORTS;
    for _ in 3..fields {
        let offset = reader.offset;
        match reader.unsigned("an origin's key")? {
            key::origin::EXPORTS if least <= key::origin::EXPORTS => {
                exports = reader.list("a module's exports", limits::EXPORTS, |reader| {
                    reader.text("an exported name")
                })?;
                least = key::origin::OMITTED;
            }
            key::origin::OMITTED if least <= key::origin::OMITTED => {
                omitted = reader.list("a module's omitted specifiers", limits::IMPORTS, |reader| {
                    reader.text("a specifier")
                })?;
                least = u64::MAX;
            }
            other => {
                return Err(reader.malformed(
                    offset,
                    "an origin's next key",
                    format!("found the key {other}"),
                ));
            }
        }
    }
    Ok(Origin {
        transformation,
        hash,
        size,
        exports,
        omitted,
    })
}

fn global(reader: &mut Reader<'_>) -> Result<String, GraphError> {
    reader.text("a global")
}

fn grant(reader: &mut Reader<'_>) -> Result<String, GraphError> {
    reader.text("a grant")
}

fn kind(reader: &mut Reader<'_>) -> Result<ModuleKind, GraphError> {
    let offset = reader.offset;
    let number = reader.unsigned("a module's kind")?;
    ModuleKind::ALL
        .into_iter()
        .find(|kind| kind_number(*kind) == number)
        .ok_or_else(|| reader.malformed(offset, "a kind from 0 to 4", format!("{number} stands there")))
}

fn within(what: &str, found: u64, limit: u64) -> Result<(), GraphError> {
    if found > limit {
        Err(GraphError::Limit {
            what: what.to_owned(),
            found,
            limit,
        })
    } else {
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn malformed(&self, offset: usize, expected: impl Into<String>, found: impl Into<String>) -> GraphError {
        GraphError::Malformed {
            offset,
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn take(&mut self, what: &str, count: usize) -> Result<&[u8], GraphError> {
        let taken = self
            .offset
            .checked_add(count)
            .and_then(|end| self.bytes.get(self.offset..end));
        let Some(taken) = taken else {
            return Err(self.malformed(self.bytes.len(), what, "the bytes end"));
        };
        self.offset += count;
        Ok(taken)
    }

    /// Reads the head of an item of type `major` and returns its value or length. The head must use the fewest possible
    /// bytes.
    fn length(&mut self, what: &str, major: u8) -> Result<u64, GraphError> {
        let offset = self.offset;
        let first = self.take(what, 1)?.first().copied().unwrap_or_default();
        if first >> 5 != major {
            return Err(self.malformed(
                offset,
                what,
                format!("found an item that begins with {first:#04x}"),
            ));
        }
        let (width, least) = match first & 0x1f {
            marker @ 0..=23 => return Ok(marker.into()),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            31 => return Err(self.malformed(offset, what, "found an item without a length")),
            _ => {
                return Err(self.malformed(
                    offset,
                    what,
                    format!("found an item that begins with {first:#04x}"),
                ));
            }
        };
        let value = self
            .take(what, width)?
            .iter()
            .fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
        if value < least {
            return Err(self.malformed(offset, what, "found a number that has more bytes than it needs"));
        }
        Ok(value)
    }

    fn unsigned(&mut self, what: &str) -> Result<u64, GraphError> {
        self.length(what, major::UNSIGNED)
    }

    fn key(&mut self, what: &str, key: u64) -> Result<(), GraphError> {
        let offset = self.offset;
        let found = self.unsigned(what)?;
        if found == key {
            Ok(())
        } else {
            Err(self.malformed(
                offset,
                format!("the key {key} of {what}"),
                format!("found the key {found}"),
            ))
        }
    }

    fn index(&mut self, what: &str) -> Result<u32, GraphError> {
        let offset = self.offset;
        let value = self.unsigned(what)?;
        u32::try_from(value).map_err(|_| self.malformed(offset, what, format!("found {value}")))
    }

    fn map(&mut self, what: &str, lengths: std::ops::RangeInclusive<u64>) -> Result<u64, GraphError> {
        let offset = self.offset;
        let length = self.length(what, major::MAP)?;
        if lengths.contains(&length) {
            Ok(length)
        } else {
            Err(self.malformed(offset, what, format!("found a map with {length} entries")))
        }
    }

    fn list<T>(
        &mut self,
        what: &str,
        limit: usize,
        item: fn(&mut Self) -> Result<T, GraphError>,
    ) -> Result<Vec<T>, GraphError> {
        let length = self.length(what, major::ARRAY)?;
        within(what, length, limit as u64)?;
        // Do not reserve memory for a length that the input only claims.
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Reads a map whose keys are specifiers.
    fn entries<T>(
        &mut self,
        what: &str,
        limit: usize,
        value: fn(&mut Self) -> Result<T, GraphError>,
    ) -> Result<BTreeMap<String, T>, GraphError> {
        let length = self.length(what, major::MAP)?;
        within(what, length, limit as u64)?;
        let mut entries = BTreeMap::new();
        for _ in 0..length {
            let offset = self.offset;
            let specifier = self.text("a specifier")?;
            if entries.insert(specifier, value(self)?).is_some() {
                return Err(self.malformed(offset, "another specifier", "found the same one twice"));
            }
        }
        Ok(entries)
    }

    fn text(&mut self, what: &str) -> Result<String, GraphError> {
        let offset = self.offset;
        let length = self.length(what, major::TEXT)?;
        within(what, length, limits::TEXT as u64)?;
        let bytes = self.take(what, length as usize)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.malformed(offset, what, "found text that is not UTF-8")),
        }
    }

    fn hash(&mut self, what: &str) -> Result<ContentHash, GraphError> {
        let offset = self.offset;
        let length = self.length(what, major::BYTES)?;
        if length != ContentHash::LENGTH as u64 {
            return Err(self.malformed(offset, what, format!("found {length} bytes, not 32")));
        }
        let bytes = self.take(what, ContentHash::LENGTH)?;
        match bytes.try_into() {
            Ok(bytes) => Ok(ContentHash::from_bytes(bytes)),
            Err(_) => Err(self.malformed(offset, what, "found a hash of another length")),
        }
    }
}
