//! Writes the scripts of the web's interfaces for V8 to a file that src/realm/web.rs includes. They are those of Deno's
//! crates, without comments, and rewritten so that the state of their objects is private: see the crate
//! `secure-runtime-web`.

#[cfg(not(feature = "v8"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(feature = "v8")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use secure_runtime_web::{DENO, Keys, Script, rewrite, without_comments};

    println!("cargo::rerun-if-changed=build.rs");
    let sources = [
        deno_webidl::deno_webidl::init().lazy_loaded_js_files,
        deno_web::deno_web::lazy_init().lazy_loaded_js_files,
    ];
    let mut texts = Vec::new();
    for name in SCRIPTS {
        let file = sources
            .iter()
            .flat_map(|files| files.iter())
            .find(|file| file.specifier.ends_with(&format!("/{name}")));
        let source = file
            .ok_or_else(|| format!("Deno's crates have no script {name}"))?
            .load()?;
        let text = without_comments(&Script {
            name,
            source: source.as_str(),
        })?;
        texts.push((*name, text));
    }
    let scripts: Vec<_> = texts
        .iter()
        .map(|(name, source)| Script { name, source })
        .collect();
    // Only private symbols hide state on V8. Properties that objects inherit need more.
    let rewritten = rewrite(&scripts, &DENO, Keys::Inherited)?;
    let mut all = "\"use strict\";\n(globalThis.__web ??= {}).scripts = { __proto__: null,\n".to_owned();
    for (script, text) in scripts.iter().zip(rewritten) {
        let text = stamped(script.name, &text)?;
        // The text is one expression.
        let expression = text.trim().trim_end_matches(';');
        if !expression.is_ascii() {
            return Err(format!("{} is not ASCII", script.name).into());
        }
        // The scripts get no global object. They would keep values under it, and it changes when V8 reads a snapshot.
        all.push_str(&format!(
            "\"{}\": (__bootstrap, globalThis) => {expression},\n",
            script.name
        ));
    }
    all.push_str("};\n");
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(format!("{folder}/web_scripts.js"), all)?;
    Ok(())
}

/// Replaces the statements that mark an object as one of an interface. The scripts mark the objects of all interfaces
/// in the same way, and compare the prototype, which everyone can set. `stamp` in deno.js keeps the interface as well.
#[cfg(feature = "v8")]
fn stamped(name: &str, text: &str) -> Result<String, String> {
    let mut made = text
        .replace("this[_brand] = _brand", "webidl.stamp(this)")
        .replace("this[webidl.brand] = webidl.brand", "webidl.stamp(this)")
        .replace("self[webidl.brand] = webidl.brand", "webidl.stamp(self)")
        .replace("error[webidl.brand] = webidl.brand", "webidl.stamp(error)")
        .replace(
            "\n  [webidl.brand] = webidl.brand;",
            "\n  #__brand = webidl.stamp(this);",
        );
    if name == "00_webidl.js" {
        // deno.js replaces this function.
        made = made.replace("t[brand] = brand;", "");
    }
    match made.find("rand] = ") {
        Some(at) => {
            let line = made.get(..at).unwrap_or_default().matches('\n').count() + 1;
            Err(format!("{name}:{line}: an unknown way to mark an object"))
        }
        None => Ok(made),
    }
}

/// The scripts that the realm uses. The others act, read the time, keep state that all modules would share, or are
/// replaced by ours.
#[cfg(feature = "v8")]
const SCRIPTS: &[&str] = &[
    "00_webidl.js",
    "00_infra.js",
    "00_url.js",
    "01_mimesniff.js",
    "01_dom_exception.js",
    "01_urlpattern.js",
    "02_event.js",
    "03_abort_signal.js",
    "05_base64.js",
    "06_streams.js",
    "08_text_encoding.js",
    "09_file.js",
    "14_compression.js",
];
