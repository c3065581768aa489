//! The realm: the JavaScript environment that guests see, made and locked before any of them runs.
//!
//! The order matters: prepare.js makes a staging place, the web files and the families fill it, permits.js lists what
//! may stay, lockdown.js takes everything over and freezes it.

use deno_core::{Extension, OpState, op2};

use crate::runtime::PrintSink;

mod web;

/// Runs last; its value is what Rust makes capabilities with.
pub(crate) const LOCKDOWN: &str = include_str!("lockdown.js");

#[op2(fast)]
fn op_sr_print(state: &mut OpState, #[string] text: &str, is_error: bool) {
    state.borrow::<PrintSink>().print(text, is_error);
}

deno_core::extension!(sr_prepare, ops = [op_sr_print], js = [dir "src/realm", "prepare.js", "permits.js"]);

/// The realm's own part of the engine's extensions, in order.
pub(crate) fn extensions() -> Vec<Extension> {
    vec![sr_prepare::init(), web::extension()]
}
