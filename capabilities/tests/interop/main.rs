//! Interoperability with other Biscuit tools: `biscuit-python`, and Biscuit's WebAssembly package on Node.js.
//!
//! The tests are ignored by default, because they need other programs. `cargo xtask interop` installs those
//! and runs the tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attestations;
#[path = "../suite/generators.rs"]
#[expect(dead_code, reason = "shared with the suite, which uses more of it")]
mod generators;
mod ours;
mod peer;
mod questions;
mod text;
mod theirs;

use secure_runtime_capabilities::*;

/// Returns the folder of relative paths. No test here uses one.
fn base() -> Base {
    Base::new("/").unwrap()
}

/// Returns the rights of these grants in their command-line form.
fn rights(grants: &[&str]) -> Rights {
    Families::builtin().parse_grants(grants, &base()).unwrap()
}

/// Returns the key that signs every token here.
fn root() -> KeyPair {
    KeyPair::from_secret(&[9; 32]).unwrap()
}

/// Parses and verifies the text of a token.
fn accept(text: &str) -> Result<Token, TokenError> {
    Token::parse_text(text, &root().public())
}

/// Returns the revocation identifiers in the peers' form.
fn ids(token: &Token) -> Vec<String> {
    token.revocation_ids().iter().map(ToString::to_string).collect()
}
