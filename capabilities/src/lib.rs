//! Capabilities.
#![forbid(unsafe_code)]
