//! Linking: the path from a verified graph to modules that the engine runs, each with its own authority.

mod dynamic;
mod imports;
mod json;
mod loader;
mod own;
mod plan;
mod portable;
mod scope;
mod wasm;
mod words;

pub(crate) use imports::BegunImports;
pub(crate) use loader::GraphLoader;
pub(crate) use own::{CapabilityModules, Factory};
pub(crate) use plan::{LinkPlan, Principal, Unattested};
pub(crate) use scope::ENDOWMENTS;
pub(crate) use wasm::permitted as wasm_permitted;
