//! See `secure_runtime_fuzz::typescript`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    secure_runtime_fuzz::typescript(data);
});

/// Without cargo-fuzz there is nothing to drive the target: `cargo run --bin seeds` does.
#[cfg(not(fuzzing))]
fn main() {
    eprintln!(
        "run this target with `cargo fuzz run typescript`, or all of them with `cargo run --bin seeds`"
    );
    std::process::exit(2);
}
