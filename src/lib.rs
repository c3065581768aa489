//! secure-runtime.
