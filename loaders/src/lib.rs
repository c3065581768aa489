//! Loaders.
#![forbid(unsafe_code)]
