//! With the feature `snapshot`, the build script starts an engine with a locked realm and the scripts of the built-in
//! families. It writes the engine's heap for src/snapshot.rs.

#[cfg(not(all(feature = "v8", feature = "snapshot")))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(all(feature = "v8", feature = "snapshot"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name} of cargo: {error}"));
    let (host, target) = (variable("HOST")?, variable("TARGET")?);
    if host != target {
        return Err(format!(
            "a snapshot is made by the engine that it is for, and that of {target} does not run on {host}: build without the \
             feature `snapshot` (--no-default-features --features v8)"
        )
        .into());
    }
    let builtin = secure_runtime_families::builtin(secure_runtime_families::Settings::default());
    let extensions = secure_runtime_engine::Extensions::new(builtin)?;
    let snapshot = secure_runtime_engine::create_snapshot(&extensions)?;
    std::fs::write(format!("{}/boot.snapshot", variable("OUT_DIR")?), snapshot)?;
    Ok(())
}
