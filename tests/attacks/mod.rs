//! The attack suite: attempts of hostile code, and their required results.
//!
//! Most attacks are JavaScript files in `cases/`. [`case`] reads them, and [`schedules`] runs them. Other attacks are
//! Rust tests in separate files: files and stores that were manipulated, tokens, and errors that end a program.

mod built_ins;
mod case;
mod described;
mod fatal;
mod forged;
mod hostile;
mod imports;
mod residue;
mod schedules;
mod thrown;
mod tokens;
mod words;
