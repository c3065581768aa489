//! The bodies of the fuzz targets: plain functions that panic when something does not hold.

mod decide_vs_oracle;
mod scopes;
mod token_bytes;

pub use decide_vs_oracle::decide_vs_oracle;
pub use scopes::scopes;
pub use token_bytes::token_bytes;

/// A fuzz target's body.
pub type Target = fn(&[u8]);

/// All targets by name, for the runner that needs no cargo-fuzz.
pub const TARGETS: [(&str, Target); 3] = [
    ("token_bytes", token_bytes),
    ("scopes", scopes),
    ("decide_vs_oracle", decide_vs_oracle),
];
