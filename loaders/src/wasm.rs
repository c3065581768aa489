//! Validation of WebAssembly modules, and their imports and exports.

mod engine;

use wasmparser::{
    ExternalKind, FuncValidatorAllocations, Parser, Payload, TypeRef, ValType, ValidPayload, Validator,
    WasmFeatures,
};

use crate::graph::limits;
use crate::text::printable;

pub use engine::{EngineModule, for_engine};

/// The prefixes of names that the standard reserves.
const RESERVED: [&str; 2] = ["wasm:", "wasm-js:"];

/// Maximum size of a memory, initial and after growth, in pages of 65,536 bytes.
pub const MEMORY_PAGES: u64 = 2_048;

/// Maximum initial number of elements of a table.
pub const TABLE_ELEMENTS: u64 = 1_000_000;

/// The imports and exports of a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WasmInterface {
    /// The imports, in the order of the module.
    pub imports: Vec<WasmImport>,
    /// The exports, in the order of the module.
    pub exports: Vec<WasmExport>,
}

/// One import of a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WasmImport {
    /// The specifier of the imported module.
    pub module: String,
    /// The name of the imported export.
    pub name: String,
    /// The position of the import in the file, in bytes.
    pub offset: u64,
}

/// One export of a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WasmExport {
    /// Its name.
    pub name: String,
    /// True for a global, whose value is exported.
    pub is_global: bool,
}

/// Returns the sections of a module: their numbers and contents. The module must be valid.
fn sections(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    // The magic number and the version, then sections: a number, a length, and that many bytes.
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (section, after) = rest.split_first()?;
        let (length, content) = unsigned(after)?;
        let (content, next) = content.split_at_checked(usize::try_from(length).ok()?)?;
        rest = next;
        Some((*section, content))
    })
}

fn push_section(bytes: &mut Vec<u8>, section: u8, content: &[u8]) {
    bytes.push(section);
    push_unsigned(bytes, content.len() as u64);
    bytes.extend(content);
}

/// Copies the memory section and gives each memory a maximum.
fn memories(content: &[u8]) -> Vec<u8> {
    const HAS_MAXIMUM: u8 = 1;
    let mut made = Vec::new();
    let Some((count, mut rest)) = unsigned(content) else {
        return made;
    };
    push_unsigned(&mut made, count);
    while let Some((flags, after)) = rest.split_first() {
        let Some((initial, after)) = unsigned(after) else {
            break;
        };
        let (maximum, after) = match flags & HAS_MAXIMUM {
            0 => (MEMORY_PAGES, after),
            _ => unsigned(after).unwrap_or((MEMORY_PAGES, &[])),
        };
        made.push(HAS_MAXIMUM);
        push_unsigned(&mut made, initial);
        push_unsigned(&mut made, maximum.min(MEMORY_PAGES));
        rest = after;
    }
    made
}

/// Reads an unsigned LEB128 number at the beginning of `bytes`, and returns it with the rest.
fn unsigned(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

fn push_unsigned(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// An error in a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {message}")]
#[non_exhaustive]
pub struct WasmProblem {
    /// The position in the file, in bytes.
    pub offset: u64,
    /// The description of the error.
    pub message: String,
}

impl WasmProblem {
    fn at(offset: u64, message: impl AsRef<str>) -> Self {
        Self {
            offset,
            message: printable(message.as_ref()),
        }
    }
}

impl From<wasmparser::BinaryReaderError> for WasmProblem {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::at(error.offset(), error.message())
    }
}

/// Validates a WebAssembly module, including function bodies, and returns its imports and exports.
///
/// # Errors
/// Returns an error if it is not a valid module of WebAssembly 2.0, or violates a rule of spec/graph.md.
pub fn interface(bytes: &[u8]) -> Result<WasmInterface, WasmProblem> {
    let features = WasmFeatures::WASM2;
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let mut found = WasmInterface::default();
    let mut globals = Vec::new();
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(std::mem::take(&mut allocations));
                function.validate(&body)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(types) => {
                for (index, offset) in globals.drain(..) {
                    let global = types.as_ref().global_at(index);
                    if global.mutable {
                        return Err(WasmProblem::at(
                            offset,
                            "a global that can change is exported; export a function that reads it",
                        ));
                    }
                    if global.content_type == ValType::V128 {
                        return Err(WasmProblem::at(
                            offset,
                            "a global of type v128 is exported, which has no value in JavaScript",
                        ));
                    }
                }
            }
            _ => {}
        }
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    sizes(&import.ty, offset)?;
                    found.import(import.module, import.name, offset)?;
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    sizes(&TypeRef::Memory(memory), offset)?;
                }
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    sizes(&TypeRef::Table(table.ty), offset)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section.into_iter_with_offsets() {
                    let (offset, export) = export?;
                    let is_global = export.kind == ExternalKind::Global;
                    if is_global {
                        globals.push((export.index, offset));
                    }
                    found.export(export.name, is_global, offset)?;
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

impl WasmInterface {
    fn import(&mut self, module: &str, name: &str, offset: u64) -> Result<(), WasmProblem> {
        if self.imports.len() == limits::IMPORTS {
            let message = format!("more than {} imports", limits::IMPORTS);
            return Err(WasmProblem::at(offset, message));
        }
        for text in [module, name] {
            checked_name(text, offset)?;
        }
        if module.starts_with(crate::transform::HOST) {
            let message = format!(
                "imports from \"{module}\", but WebAssembly cannot hold capabilities; import a JavaScript module that has them"
            );
            return Err(WasmProblem::at(offset, message));
        }
        self.imports.push(WasmImport {
            module: module.to_owned(),
            name: name.to_owned(),
            offset,
        });
        Ok(())
    }

    fn export(&mut self, name: &str, is_global: bool, offset: u64) -> Result<(), WasmProblem> {
        if self.exports.len() == limits::EXPORTS {
            let message = format!("more than {} exports", limits::EXPORTS);
            return Err(WasmProblem::at(offset, message));
        }
        checked_name(name, offset)?;
        self.exports.push(WasmExport {
            name: name.to_owned(),
            is_global,
        });
        Ok(())
    }
}

fn checked_name(name: &str, offset: u64) -> Result<(), WasmProblem> {
    if name.len() > limits::TEXT {
        let message = format!("a name of more than {} bytes", limits::TEXT);
        return Err(WasmProblem::at(offset, message));
    }
    if RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
        let message = format!("the name \"{name}\" is reserved by the standard");
        return Err(WasmProblem::at(offset, message));
    }
    Ok(())
}

/// Checks the initial size of a memory or table.
fn sizes(entity: &TypeRef, offset: u64) -> Result<(), WasmProblem> {
    let (what, found, limit) = match entity {
        TypeRef::Memory(memory) => ("a memory begins with", memory.initial, MEMORY_PAGES),
        TypeRef::Table(table) => ("a table begins with", table.initial, TABLE_ELEMENTS),
        _ => return Ok(()),
    };
    if found <= limit {
        return Ok(());
    }
    let unit = match entity {
        TypeRef::Memory(_) => "pages",
        _ => "elements",
    };
    let message = format!("{what} {found} {unit}; at most {limit} are allowed");
    Err(WasmProblem::at(offset, message))
}
