//! The form of a WebAssembly module that the engine gets.

use std::collections::BTreeSet;

use wasmparser::{CompositeInnerType, ConstExpr, ElementItems, Operator, Parser, Payload, ValType};

use super::{WasmProblem, interface, memories, push_section, push_unsigned, sections, unsigned};

/// Section numbers.
const MEMORIES: u8 = 5;
const EXPORTS: u8 = 7;
const START: u8 = 8;
/// The sections that must come after the exports.
const AFTER_EXPORTS: std::ops::RangeInclusive<u8> = START..=12;

/// The kind of an export that is a function.
const FUNCTION: u8 = 0;

/// A WebAssembly module that was prepared for the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineModule {
    /// The module. Its memory can grow to at most [`MEMORY_PAGES`](super::MEMORY_PAGES), even if the module declares
    /// more.
    ///
    /// Its own exports come first. Functions can also reach JavaScript as arguments or results. If the module allows
    /// this, every such function is exported additionally, so that the host can freeze its JavaScript object.
    pub bytes: Vec<u8>,
    /// The export to call instead of the start function, after the objects were frozen.
    pub start: Option<String>,
}

/// Prepares a module for the engine. Everything that [`EngineModule`] does not describe stays unchanged.
///
/// # Errors
/// Fails like [`interface`].
pub fn for_engine(bytes: &[u8]) -> Result<EngineModule, WasmProblem> {
    interface(bytes)?;
    let references = References::find(bytes)?;
    let (hidden, start) = references.exports();
    let mut made = bytes.get(..8).unwrap_or_default().to_vec();
    let mut is_exported = hidden.is_empty();
    for (section, content) in sections(bytes) {
        if AFTER_EXPORTS.contains(&section) && !is_exported {
            push_section(&mut made, EXPORTS, &with_exports(&[0], &hidden));
            is_exported = true;
        }
        match section {
            MEMORIES => push_section(&mut made, MEMORIES, &memories(content)),
            EXPORTS if !is_exported => {
                push_section(&mut made, EXPORTS, &with_exports(content, &hidden));
                is_exported = true;
            }
            START if start.is_some() => {}
            _ => push_section(&mut made, section, content),
        }
    }
    Ok(EngineModule { bytes: made, start })
}

/// Returns an export section with additional functions.
fn with_exports(content: &[u8], more: &[(String, u32)]) -> Vec<u8> {
    let (count, exports) = unsigned(content).unwrap_or_default();
    let mut made = Vec::new();
    push_unsigned(&mut made, count + more.len() as u64);
    made.extend(exports);
    for (name, function) in more {
        push_unsigned(&mut made, name.len() as u64);
        made.extend(name.as_bytes());
        made.push(FUNCTION);
        push_unsigned(&mut made, u64::from(*function));
    }
    made
}

/// The functions of a module that can be used as values.
#[derive(Default)]
struct References {
    /// True if a function takes or returns functions.
    are_passed: bool,
    functions: BTreeSet<u32>,
    start: Option<u32>,
    names: Vec<String>,
}

impl References {
    fn find(bytes: &[u8]) -> Result<Self, WasmProblem> {
        let mut found = References::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for kind in group?.types() {
                            if let CompositeInnerType::Func(function) = &kind.composite_type.inner {
                                let mut values = function.params().iter().chain(function.results());
                                found.are_passed |= values.any(|value| *value == ValType::FUNCREF);
                            }
                        }
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        found.constant(&global?.init_expr)?;
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        match element?.items {
                            ElementItems::Functions(functions) => {
                                for function in functions {
                                    found.functions.insert(function?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    found.constant(&expression?)?;
                                }
                            }
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        found.names.push(export?.name.to_owned());
                    }
                }
                Payload::StartSection { func, .. } => found.start = Some(func),
                _ => {}
            }
        }
        Ok(found)
    }

    fn constant(&mut self, expression: &ConstExpr<'_>) -> Result<(), WasmProblem> {
        for operator in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.functions.insert(function_index);
            }
        }
        Ok(())
    }

    /// Returns the exports to add, and the name of the one for the start function.
    fn exports(&self) -> (Vec<(String, u32)>, Option<String>) {
        if !self.are_passed {
            return (Vec::new(), None);
        }
        // Choose a prefix that no export has.
        let mut mark = "-".to_owned();
        while self.names.iter().any(|name| name.starts_with(&mark)) {
            mark.push('-');
        }
        let mut exports: Vec<(String, u32)> = self
            .functions
            .iter()
            .map(|function| (format!("{mark}{function}"), *function))
            .collect();
        let start = self.start.map(|function| {
            let name = format!("{mark}start");
            exports.push((name.clone(), function));
            name
        });
        (exports, start)
    }
}
