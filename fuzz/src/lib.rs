//! The fuzz targets, as plain functions that panic if a property does not hold.

mod commonjs;
mod cose;
mod decide_vs_oracle;
mod graph_bytes;
mod origins;
mod outcome;
mod package_json;
mod paths;
mod request_heads;
mod revocation_list;
mod scopes;
mod statements;
mod store_answers;
mod token_bytes;
mod typescript;

pub use commonjs::commonjs;
pub use decide_vs_oracle::decide_vs_oracle;
pub use graph_bytes::graph_bytes;
pub use origins::origins;
pub use outcome::Outcome;
pub use package_json::package_json;
pub use paths::paths;
pub use request_heads::request_heads;
pub use revocation_list::revocation_list;
pub use scopes::scopes;
pub use statements::statements;
pub use store_answers::store_answers;
pub use token_bytes::token_bytes;
pub use typescript::typescript;

/// A fuzz target's body.
pub type Target = fn(&[u8]) -> Outcome;

/// All targets by name, for the runner that works without cargo-fuzz.
pub const TARGETS: [(&str, Target); 13] = [
    ("token_bytes", token_bytes),
    ("decide_vs_oracle", decide_vs_oracle),
    ("scopes", scopes),
    ("paths", paths),
    ("origins", origins),
    ("revocation_list", revocation_list),
    ("graph_bytes", graph_bytes),
    ("package_json", package_json),
    ("commonjs", commonjs),
    ("statements", statements),
    ("store_answers", store_answers),
    ("typescript", typescript),
    ("request_heads", request_heads),
];
