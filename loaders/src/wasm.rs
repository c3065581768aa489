//! WebAssembly modules: what they import and export, once they were validated.

mod engine;

use wasmparser::{
    ExternalKind, FuncValidatorAllocations, Parser, Payload, TypeRef, ValType, ValidPayload, Validator,
    WasmFeatures,
};

use crate::graph::limits;
use crate::text::printable;

pub use engine::{EngineModule, for_engine};

/// What begins the names that the standard keeps for itself.
const RESERVED: [&str; 2] = ["wasm:", "wasm-js:"];

/// The pages of 65,536 bytes that a memory begins with at most, and can grow to.
pub const MEMORY_PAGES: u64 = 2_048;

/// The elements that a table begins with at most.
pub const TABLE_ELEMENTS: u64 = 1_000_000;

/// What a WebAssembly module imports and exports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WasmInterface {
    /// What it imports, in its order.
    pub imports: Vec<WasmImport>,
    /// What it exports, in its order.
    pub exports: Vec<WasmExport>,
}

/// One import of a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WasmImport {
    /// From which module: a specifier.
    pub module: String,
    /// Which of that module's exports.
    pub name: String,
    /// Where the import stands in the file, in bytes.
    pub offset: u64,
}

/// One export of a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WasmExport {
    /// Its name.
    pub name: String,
    /// Whether it is a global, of which the value is exported.
    pub is_global: bool,
}

/// The sections of a module by their numbers, with their contents. That the module is well formed was found before.
fn sections(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    // Magic and version; then sections: a number, a length, that many bytes.
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

/// The memories of a module, each with a maximum.
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

/// A number in LEB128 at the beginning of `bytes`, and what follows it.
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

/// What is wrong with a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {message}")]
#[non_exhaustive]
pub struct WasmProblem {
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong.
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

/// Validates the WebAssembly module of these bytes, function bodies included, and finds what it imports and exports.
///
/// # Errors
/// When it is no valid module of WebAssembly 2.0, or breaks a rule of spec/graph.md.
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
                "imports from \"{module}\", but capabilities are nothing that WebAssembly could hold; import a JavaScript module that has them"
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
        let message = format!("the name \"{name}\" is one that the standard keeps for itself");
        return Err(WasmProblem::at(offset, message));
    }
    Ok(())
}

/// Whether memories and tables begin small enough.
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
