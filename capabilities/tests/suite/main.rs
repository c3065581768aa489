//! The crate's tests through its public interface: one binary, because each would link anew.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attacks;
mod boundaries;
mod debug;
mod delegation;
mod evaluator;
mod evaluator_agrees;
mod explanations;
mod families;
mod generators;
mod hostile;
mod malformed;
mod properties;
mod revocation;
mod samples;
mod statements;
mod tokens;
mod vectors;

use secure_runtime_capabilities::*;

/// The folder that relative paths in tests mean.
fn base() -> Base {
    Base::new("/srv/app").unwrap()
}

/// The rights of these grants, as on the command line.
fn rights(grants: &[&str]) -> Rights {
    Families::builtin().parse_grants(grants, &base()).unwrap()
}

/// The operation of a text such as `fs read data/a.csv`.
fn operation(text: &str) -> Operation<'static> {
    Families::builtin().parse_operation(text, &base()).unwrap()
}
