//! The attack suite: what hostile code tries, and what must come of it.
//!
//! Most attacks are JavaScript, one file each in `cases/`; [`case`] reads them and [`schedules`] runs them. What is not an
//! attack by a guest (files and stores that were tampered with, tokens, what ends a program) is a Rust test in a file of its own.

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
