//! With the feature `snapshot`, the build script starts an engine, locks its realm, and writes its heap for
//! src/snapshot.rs.
//!
//! The engine must have exactly the same ops, because V8 restores references to Rust functions by their index. So the
//! build script includes the modules of the runtime from the same files.
#![cfg_attr(
    all(feature = "v8", feature = "snapshot"),
    expect(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "a snapshot needs some of what the modules do, and all of what they register"
    )
)]

macro_rules! of_the_runtime {
    ($($path:literal $name:ident)+) => {
        $(
            #[cfg(all(feature = "v8", feature = "snapshot"))]
            #[path = $path]
            mod $name;
        )+
    };
}

of_the_runtime! {
    "src/audit/mod.rs" audit
    "src/extensions/mod.rs" extensions
    "src/modules/mod.rs" modules
    "src/realm/mod.rs" realm
    "src/runtime/mod.rs" runtime
}

/// Replaces the module `snapshot`: the engine of the build script starts from the scripts.
#[cfg(all(feature = "v8", feature = "snapshot"))]
mod snapshot {
    pub(crate) const BOOT: Option<&'static [u8]> = None;
}

#[cfg(not(all(feature = "v8", feature = "snapshot")))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(all(feature = "v8", feature = "snapshot"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use deno_core::{JsRuntime, JsRuntimeForSnapshot, RuntimeOptions};

    for folder in ["audit", "extensions", "modules", "realm", "runtime"] {
        println!("cargo::rerun-if-changed=src/{folder}");
    }
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name} of cargo: {error}"));
    let (host, target) = (variable("HOST")?, variable("TARGET")?);
    if host != target {
        return Err(format!(
            "a snapshot is made by the engine that it is for, and that of {target} does not run on {host}: build without the \
             feature `snapshot` (--no-default-features --features v8)"
        )
        .into());
    }
    runtime::prepare();
    // This must precede the initialization by deno_core, which would make V8 use the same random numbers in every
    // build. The seed of its hash tables is one of them and is stored in the snapshot.
    JsRuntime::init_platform(None);
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _entered = reactor.enter();
    let options = || RuntimeOptions {
        extensions: extensions::all(),
        ..RuntimeOptions::default()
    };
    let mut js = JsRuntimeForSnapshot::try_new(options())?;
    js.execute_script(realm::LOCKDOWN_NAME, realm::LOCKDOWN)?;
    let made = js.snapshot();
    std::fs::write(format!("{}/boot.snapshot", variable("OUT_DIR")?), &made)?;

    // A snapshot that no isolate can start from must fail here, and not on the machine of a user.
    let mut js = JsRuntime::try_new(RuntimeOptions {
        startup_snapshot: Some(Box::leak(made)),
        ..options()
    })?;
    js.execute_script(
        "ext:secure_runtime/finish.js",
        format!("{}(new Error())", realm::FINISH),
    )?;
    Ok(())
}
