//! The crate's promises, tested from outside. Each test names the line of spec/ that it holds up.

mod fixture;
mod resolve;
