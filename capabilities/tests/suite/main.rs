//! Tests through the crate's public interface, in one binary, because each binary is linked separately.
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
mod errors;
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

/// Returns the folder of relative paths.
fn base() -> Base {
    Base::new("/srv/app").unwrap()
}

/// Returns the rights of these grants in their command-line form.
fn rights(grants: &[&str]) -> Rights {
    Families::builtin().parse_grants(grants, &base()).unwrap()
}

/// Returns the operation of a text such as `fs read data/a.csv`.
fn operation(text: &str) -> Operation<'static> {
    Families::builtin().parse_operation(text, &base()).unwrap()
}
