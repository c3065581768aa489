//! The cargo-fuzz entry point of `secure_runtime_fuzz::request_heads`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    secure_runtime_fuzz::request_heads(data);
});

/// Without cargo-fuzz, this program does nothing. `cargo run --bin seeds` runs the target instead.
#[cfg(not(fuzzing))]
fn main() {
    eprintln!(
        "run this target with `cargo fuzz run request_heads`, or all of them with `cargo run --bin seeds`"
    );
    std::process::exit(2);
}
