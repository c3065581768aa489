//! docs/web.md: the web's interfaces that modules find, generated from the lists that lockdown enforces.
//!
//! The permit list and tests/permits/made.txt say what a guest reaches, and tests/permits.rs holds them to it on each
//! engine. So the table cannot name a member that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Sections of the table: a standard, and its interfaces and functions.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "[Streams](https://streams.spec.whatwg.org)",
        &[
            "ReadableStream",
            "ReadableStreamDefaultReader",
            "ReadableStreamBYOBReader",
            "ReadableStreamBYOBRequest",
            "ReadableStreamDefaultController",
            "ReadableByteStreamController",
            "WritableStream",
            "WritableStreamDefaultWriter",
            "WritableStreamDefaultController",
            "TransformStream",
            "TransformStreamDefaultController",
            "ByteLengthQueuingStrategy",
            "CountQueuingStrategy",
        ],
    ),
    (
        "[Fetch](https://fetch.spec.whatwg.org)",
        &["Headers", "Request", "Response"],
    ),
    ("[XMLHttpRequest](https://xhr.spec.whatwg.org)", &["FormData"]),
    ("[File API](https://w3c.github.io/FileAPI/)", &["Blob", "File"]),
    (
        "[Encoding](https://encoding.spec.whatwg.org)",
        &[
            "TextEncoder",
            "TextDecoder",
            "TextEncoderStream",
            "TextDecoderStream",
        ],
    ),
    (
        "[Compression](https://compression.spec.whatwg.org)",
        &["CompressionStream", "DecompressionStream"],
    ),
    ("[URL](https://url.spec.whatwg.org)", &["URL", "URLSearchParams"]),
    (
        "[URL Pattern](https://urlpattern.spec.whatwg.org)",
        &["URLPattern"],
    ),
    (
        "[DOM](https://dom.spec.whatwg.org)",
        &[
            "AbortController",
            "AbortSignal",
            "Event",
            "EventTarget",
            "CustomEvent",
        ],
    ),
    (
        "[HTML](https://html.spec.whatwg.org)",
        &[
            "MessageChannel",
            "MessagePort",
            "MessageEvent",
            "ErrorEvent",
            "CloseEvent",
            "ProgressEvent",
            "PromiseRejectionEvent",
            "navigator",
            "atob",
            "btoa",
            "queueMicrotask",
            "reportError",
            "structuredClone",
        ],
    ),
    (
        "[Web Cryptography](https://w3c.github.io/webcrypto/)",
        &["CryptoKey", "SubtleCrypto"],
    ),
    (
        "[Web IDL](https://webidl.spec.whatwg.org)",
        &["DOMException", "QuotaExceededError"],
    ),
];

/// Names that act with a module's rights: the name, the object in made.txt, and the right.
const ACTING: &[(&str, &str, &str)] = &[
    ("fetch", "", "`net.connect`"),
    (
        "WebSocket",
        "%WebSocketPrototype%",
        "`net.connect`, for the URL with `http` instead of `ws`, and `https` instead of `wss`; V8 only",
    ),
    ("EventSource", "%EventSourcePrototype%", "`net.connect`; V8 only"),
    ("crypto", "(crypto)", "`random`"),
    ("performance", "(performance)", "`clock`"),
    ("Date", "", "`clock`, for the current time"),
    ("Math.random", "", "`random`"),
    (
        "setTimeout, setInterval, clearTimeout, clearInterval",
        "",
        "none; the quota `timers`",
    ),
    ("console", "(console)", "none; prints with the name of the module"),
];

const INTRODUCTION: &str = "<!-- Written by a test (UPDATE_TYPES=1). Do not edit. -->

# The web's interfaces

These are the interfaces of the Minimum Common Web API (WinterTC, Ecma TC55) that modules find. `cargo test` compares
this table with the objects that a module reaches, on both engines.

`-` means that an interface does not exist on the engine. A member in italics exists on V8 only. Members that every
interface has (`constructor`, `@@toStringTag`) are not listed.

## For every module, without rights

All modules share these objects, which are frozen. The state of an object is private.
";

const DEVIATIONS: &str = "
## Deviations

| what | deviation | reason |
| --- | --- | --- |
| all classes and prototypes | they cannot be changed | modules of different trust share them |
| `File` without `lastModified`, `Event.timeStamp` | 0 | the time needs `clock` |
| boundary of a form | not random; no part of the form contains it | chance needs `random` |
| `CompressionStream`, `DecompressionStream` | `gzip`, `deflate` and `deflate-raw` only | the standard's formats |
| `URL.createObjectURL`, `URL.revokeObjectURL` | missing | URLs would be names that all modules share |
| `FormData(form)` | refused | there are no HTML forms |
| `set-cookie` of a response of `fetch` | a guest does not see it | as in browsers |
| `EventSource` | a source that was refused, or that exceeded a limit, is not continued; a line has at most 1 MiB, the data of an event 16 MiB | limits |
| `WebSocket` | `new` throws without the right; `error` is an `ErrorEvent` with the reason; no extensions; a message has at most 16 MiB; 16 MiB may wait to be sent | a module learns what to grant |
| `structuredClone`, `postMessage` | streams cannot be transferred | not built yet |
| `crypto` | no class `Crypto` | an object for each module, with its own rights |
| `CryptoKey`, and its `algorithm` and `usages` | frozen; `publicExponent` is a new array for each reader | modules share keys |
| `crypto.subtle`: the names of curves and algorithms | those of spec/runtime.md (RUN-140); no SHA-3, ML-KEM, ML-DSA and Argon2 | not built yet |
| `crypto.subtle`: RSA | a new modulus has from 2,048 to 8,192 bits, an imported one from 1,024 to 8,192; a public exponent is less than 2 ** 33 | one operation with a larger key could not be stopped |
| ECDSA | the signature of a message is always the same (RFC 6979) | it needs no chance, and so no right |
| PBKDF2, `generateKey` for RSA | computed in steps, between which timers fire | limits act |
| QuickJS | no `crypto.subtle`; only the interfaces that the table lists for it; `TextDecoder` knows only UTF-8; `fetch` returns an object with some members of `Response` | starting Deno's scripts takes many times as long as starting a program |

## Missing

`performance.mark` and entries are not built yet.
`WebAssembly` is not given to modules: they import modules of it, which are locked like all others.
";

type Properties = BTreeMap<String, BTreeSet<String>>;

/// Reads the section of an engine, or the one of both engines.
fn section(text: &str, name: &str, into: &mut Properties) {
    let begin = format!("{name}: `");
    let lines = text.lines().skip_while(|line| *line != begin).skip(1);
    let mut path = String::new();
    for line in lines.take_while(|line| *line != "`,") {
        for word in line.split_whitespace().take_while(|_| !line.starts_with('#')) {
            match word.strip_suffix(':') {
                Some(next) => path = next.to_owned(),
                None => drop(into.entry(path.clone()).or_default().insert(word.to_owned())),
            }
        }
    }
}

fn of_engine(text: &str, engine: &str) -> Properties {
    let mut all = Properties::new();
    section(text, "both", &mut all);
    section(text, engine, &mut all);
    all
}

/// Returns the members of an interface: those of the class begin with its name.
fn members(of: &Properties, name: &str) -> BTreeSet<String> {
    let listed = |path: String| of.get(&path).cloned().unwrap_or_default();
    let own = listed(name.to_owned());
    let own = own
        .into_iter()
        .filter(|member| member != "prototype")
        .map(|member| format!("{name}.{member}"));
    let inherited = listed(format!("{name}.prototype"));
    let inherited = inherited
        .into_iter()
        .filter(|member| member != "constructor" && member != "@@toStringTag");
    own.chain(inherited).collect()
}

fn table() -> String {
    let permits = include_str!("../engine/src/realm/permits.js");
    let (v8, quickjs) = (of_engine(permits, "v8"), of_engine(permits, "quickjs"));
    let is_global = |of: &Properties, name: &str| of["globalThis"].contains(name);
    let mut text = INTRODUCTION.to_owned();
    for (standard, names) in SECTIONS {
        write!(
            text,
            "\n### {standard}\n\n| name | V8 | QuickJS | members |\n| --- | --- | --- | --- |\n"
        )
        .unwrap();
        for name in *names {
            assert!(is_global(&v8, name), "{name} is no global");
            let (all, some) = (members(&v8, name), members(&quickjs, name));
            let has = |of| if is_global(of, name) { "yes" } else { "-" };
            let shown = all.iter().map(|member| {
                let is_on_both = !is_global(&quickjs, name) || some.contains(member);
                if is_on_both {
                    format!("`{member}`")
                } else {
                    format!("*`{member}`*")
                }
            });
            let shown: Vec<String> = shown.collect();
            writeln!(
                text,
                "| `{name}` | {} | {} | {} |",
                has(&v8),
                has(&quickjs),
                shown.join(" ")
            )
            .unwrap();
        }
    }
    text.push_str(
        "\n## For every module, with its own rights\n\nEach module has its own value. Without the right, a use throws \
         `CapabilityError`, which says what to grant.\n\n| name | right | members |\n| --- | --- | --- |\n",
    );
    let made = of_engine(include_str!("permits/made.txt"), "v8");
    for (name, object, right) in ACTING {
        let members = made
            .get(*object)
            .or_else(|| v8.get(*object))
            .cloned()
            .unwrap_or_default();
        assert_eq!(members.is_empty(), object.is_empty(), "{name}");
        let members: Vec<String> = members.iter().map(|member| format!("`{member}`")).collect();
        writeln!(
            text,
            "| `{}` | {right} | {} |",
            name.replace(", ", "`, `"),
            members.join(" ")
        )
        .unwrap();
    }
    text.push_str(DEVIATIONS);
    text
}

#[test]
fn the_table_of_web_interfaces_is_current() {
    let (file, table) = (crate::support::root().join("docs/web.md"), table());
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, table, "set UPDATE_TYPES=1 to write docs/web.md again");
}
