//! The functions of the realm for this engine alone.

use deno_core::v8;

/// The functions that realm/lockdown.js passes to Rust for this engine alone.
pub(crate) struct Functions {
    /// Imports a URL.
    pub(super) evaluate: v8::Global<v8::Function>,
}

impl Functions {
    /// Gets the functions by their names.
    pub(crate) fn new<E>(
        function: impl Fn(&str) -> Result<v8::Global<v8::Function>, E>,
    ) -> Result<Functions, E> {
        Ok(Functions {
            evaluate: function("evaluate")?,
        })
    }
}
