//! Linking: the path from a verified graph to modules that the engine runs, each with its own authority.

mod dynamic;
mod imports;
mod json;
mod link_plan;
pub(crate) mod loader;
mod scope;
mod synthetic;
pub(crate) mod synthetic_urls;
mod wasm;

pub(crate) use imports::BegunImports;
pub use link_plan::{LinkPlan, PlanError, Principal, Unattested};
pub(crate) use loader::GraphLoader;
pub(crate) use synthetic::{CapabilityModules, Factory};
pub(crate) use wasm::permitted as wasm_permitted;
