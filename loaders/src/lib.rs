//! Content addresses, stores and module graphs: which bytes run, and the proof of it.
//!
//! Three ideas, each a module: a [`ContentHash`] names bytes; a [`store`] answers "the bytes with
//! this hash" and nothing else; a [`graph`] says which modules a program has and what each of
//! their imports means. [`lock()`](resolve::lock) makes a graph from a project's files without
//! running any of them, [`lockfile`] keeps it, and [`mod@verify`] brings its modules back, each byte
//! verified.
//!
//! Nothing here knows a JavaScript engine, a token, or what a grant means.
#![forbid(unsafe_code)]

pub mod files;
pub mod graph;
mod hash;
#[cfg(feature = "http")]
pub mod http;
pub mod lockfile;
pub mod resolve;
pub mod secrets;
pub mod store;
mod syntax;
mod text;
mod transform;
pub mod verify;
pub mod wasm;

pub use files::FileError;
pub use graph::{Graph, GraphError, Module, ModuleKind, Origin, Package, Transformation};
pub use hash::{ContentHash, HashParseError};
pub use lockfile::{LockFileError, read_lock, write_lock};
pub use resolve::{
    Literal, LockError, LockInput, LockWarning, Locked, Project, StaticImport, StaticImports, lock,
    static_imports,
};
#[cfg(feature = "http")]
pub use store::HttpStore;
pub use store::{Layered, LocalStore, MemoryStore, Store, StoreError};
pub use verify::{LoadError, load_modules, verify};
