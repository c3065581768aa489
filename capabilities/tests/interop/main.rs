//! Interoperation with other Biscuit tools: `biscuit-python`, and the WebAssembly package of Biscuit under Node.
//!
//! `cargo xtask interop` installs them and runs these tests, which are ignored otherwise: they need other programs.
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

/// The folder that relative paths mean: none is used here.
fn base() -> Base {
    Base::new("/").unwrap()
}

/// The rights of these grants, as on the command line.
fn rights(grants: &[&str]) -> Rights {
    Families::builtin().parse_grants(grants, &base()).unwrap()
}

/// The key that signs every token here.
fn root() -> KeyPair {
    KeyPair::from_secret(&[9; 32]).unwrap()
}

/// The token of a text, if it is accepted here.
fn accept(text: &str) -> Result<Token, TokenError> {
    Token::parse_text(text, &root().public())
}

/// Its revocation identifiers, as the peers write them.
fn ids(token: &Token) -> Vec<String> {
    token.revocation_ids().iter().map(ToString::to_string).collect()
}
