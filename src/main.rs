//! secure-runtime: command line.
fn main() {}
