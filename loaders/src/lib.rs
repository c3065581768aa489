//! Content addresses, stores and module graphs: this crate decides which bytes run, and verifies them.
//!
//! The crate has three main concepts. A [`ContentHash`] names bytes. A [`store`] returns the bytes that have a given
//! hash, and nothing else. A [`graph`] lists the modules of a program and the target of each import.
//!
//! [`lock()`](resolve::lock) builds a graph from a project's files without running them. [`lockfile`] reads and writes
//! the graph as a file. [`mod@verify`] loads the modules of a graph and verifies every byte.
//!
//! This crate does not know a JavaScript engine or a token, and does not interpret grants.
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
pub use lockfile::{LockFileError, check_lock_text, read_lock, write_lock, write_lock_text};
pub use resolve::{
    Literal, LockError, LockInput, LockWarning, Locked, Project, StaticImport, StaticImports, lock,
    static_imports,
};
pub use secure_runtime_text::Cause;
#[cfg(feature = "http")]
pub use store::HttpStore;
pub use store::{Layered, LocalStore, MemoryStore, Store, StoreError};
pub use verify::{LoadError, load_modules, verify};
