//! The bodies of the fuzz targets: plain functions that panic when something does not hold.

mod decide_vs_oracle;
mod graph_bytes;
mod package_json;
mod scopes;
mod token_bytes;

pub use decide_vs_oracle::decide_vs_oracle;
pub use graph_bytes::graph_bytes;
pub use package_json::package_json;
pub use scopes::scopes;
pub use token_bytes::token_bytes;

/// A fuzz target's body.
pub type Target = fn(&[u8]);

/// All targets by name, for the runner that needs no cargo-fuzz.
pub const TARGETS: [(&str, Target); 5] = [
    ("token_bytes", token_bytes),
    ("scopes", scopes),
    ("decide_vs_oracle", decide_vs_oracle),
    ("graph_bytes", graph_bytes),
    ("package_json", package_json),
];
