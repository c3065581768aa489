//! The realm: exactly the permitted globals, nothing mutable that two modules share, and packages that assign to
//! inherited properties still work.

use secure_runtime::{AuditRecord, Exit, Verdict};
use secure_runtime_loaders::ContentHash;

use crate::support::Scene;

fn output(source: &str) -> String {
    let ran = Scene::of_main(&[], source).run(&[]);
    assert!(
        matches!(ran.exit, Ok(Exit::Completed)),
        "{:?}\n{}",
        ran.exit,
        ran.out
    );
    ran.out
}

/// The permit list as src/realm/permits.js has it.
fn permitted() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/realm/permits.js")).unwrap();
    let list = text.split_once("permits = [").unwrap().1;
    list.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// RUN-1: a guest finds the permitted names, and no other. Fails when an engine upgrade adds one that slips through.
#[test]
fn globals_are_the_permitted_ones() {
    let found = output("console.log(Reflect.ownKeys(globalThis).map(String).join('\\n'))");
    let permitted = permitted();
    assert!(permitted.len() > 60);
    let mut missing: Vec<&String> = permitted.iter().collect();
    for name in found.lines() {
        assert!(
            name == "Symbol(Symbol.toStringTag)" || permitted.iter().any(|known| known == name),
            "{name} is not permitted"
        );
        missing.retain(|known| *known != name);
    }
    // What an engine does not have yet, or not in this build.
    let optional = [
        "AsyncDisposableStack",
        "DisposableStack",
        "SuppressedError",
        "Float16Array",
        "Intl",
        "Iterator",
    ];
    missing.retain(|name| !optional.contains(&name.as_str()));
    assert!(missing.is_empty(), "permitted but not there: {missing:?}");
}

/// RUN-2: everything that a guest can reach without making it, from its globals and from what its syntax makes, is
/// frozen. This is the walk of lockdown.js again, from the other side of the wall.
#[test]
fn everything_reachable_is_frozen() {
    let out = output(
        r#"
        import * as self from "cap:self";
        const roots = [
          ["globalThis", globalThis], ["cap:self", self.fs], ["net", self.net], ["env", self.env], ["clock", self.clock],
          ["random", self.random], ["CapabilityError", self.CapabilityError], ["console", console],
          ["seal", self.seal], ["revocable", self.fs.revocable()], ["kv", self.kv],
        ];
        const made = [
          {}, [], () => {}, async () => {}, function* () {}, async function* () {},
          [].values(), new Map().keys(), new Set().values(), ""[Symbol.iterator](), "a".matchAll(/a/g), /x/, Promise.resolve(),
          new Error(), new TypeError(), Symbol(), 1n, (function () { return arguments; })(), new Proxy({}, {}), new URL("a:b"),
          new URLSearchParams().entries(), new TextEncoder(), new AbortController(), new AbortController().signal,
          setTimeout(() => {}, 0), new Date(0), new Int8Array(1), import.meta.resolve, class {},
        ];
        try { await self.fs.readFile("/x"); } catch (error) { made.push(error); }
        try { null.x; } catch (error) { made.push(error); }
        const listing = self.fs.readDir("/x"); made.push(listing, self.kv.list()); listing.next().catch(() => {});
        made.forEach((value, index) => {
          if (value === null || (typeof value !== "object" && typeof value !== "function")) return;
          // What is made is the guest's own; what it inherits is not, nor are accessors that it did not write.
          roots.push([`prototype of made ${index}`, Object.getPrototypeOf(value)]);
          for (const key of Reflect.ownKeys(value)) {
            const { get, set } = Object.getOwnPropertyDescriptor(value, key);
            if (typeof value !== "function" || key !== "prototype") roots.push([`made ${index}.${String(key)} get`, get], [`set`, set]);
          }
        });
        const seen = new Set(), queue = [];
        const visit = (path, value) => {
          if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) return;
          seen.add(value); queue.push([path, value]);
        };
        for (const [path, value] of roots) visit(path, value);
        const loose = [];
        for (const [path, value] of queue) {
          if (!Object.isFrozen(value)) loose.push(path);
          visit(`${path}.__proto__`, Object.getPrototypeOf(value));
          for (const key of Reflect.ownKeys(value)) {
            const descriptor = Object.getOwnPropertyDescriptor(value, key);
            for (const part of ["value", "get", "set"]) visit(`${path}.${String(key)}`, descriptor[part]);
          }
        }
        console.log(queue.length > 500 ? "walked" : `only ${queue.length}`);
        console.log(loose.join("\n"));
        "#,
    );
    assert_eq!(out.trim_end(), "walked", "not frozen:\n{out}");
}

/// RUN-3: the override mistake is repaired for what real packages assign.
#[test]
fn inherited_properties_can_be_assigned_on_own_objects() {
    let out = output(
        r#"
        const o = {}; o.toString = () => "own"; o.constructor = 1; o.hasOwnProperty = 2; o.valueOf = () => 3;
        function Old() {} Old.prototype = Object.create({}.constructor.prototype); Old.prototype.constructor = Old;
        Old.prototype.toString = function () { return "old"; };
        class E extends Error { constructor(m) { super(m); this.name = "E"; this.message = "changed"; } }
        const e = new E("x"); e.toString = () => "e";
        const f = function () {}; f.call = 1; f.bind = 2;
        const d = new Date(0); d.toString = () => "d";
        function Bytes() {} Object.setPrototypeOf(Bytes.prototype, Uint8Array.prototype);
        Bytes.prototype.toString = () => "bytes"; Bytes.prototype.slice = () => 1; Bytes.prototype.fill = () => 2;
        console.log(String(Object.create(Bytes.prototype)), new Uint8Array([1, 2]).slice(1).toString());
        console.log([String(o), o.constructor, o.hasOwnProperty, String(new Old()), e.name, e.message, String(e), f.call, String(d)].join());
        console.log([{}.toString(), new Error("m").toString(), (() => {}).call === f.call].join());
        "#,
    );
    assert_eq!(
        out,
        "bytes 2\nown,1,2,old,E,changed,e,1,d\n[object Object],Error: m,false\n"
    );
}

/// RUN-48: a clock that stands still, and numbers that are the same in every run, of a module that has nothing finer.
#[test]
fn time_and_chance_that_tell_nothing() {
    let source = |more: &str| {
        format!(
            "import {{ clock, random }} from 'cap:self'; {more}
            const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
            const attempt = (f) => {{ try {{ return f(); }} catch (error) {{ return error.name; }} }};
            console.log(Date.now(), clock.now(), new Date().toISOString(), hex(random.bytes(40)), Math.random() === Math.random());
            console.log(attempt(() => clock.attenuate({{ read: ['1s'] }}).now()), hex(random.attenuate({{ read: ['true'] }}).bytes(4)));"
        )
    };
    let run = |grants: &[&str], source: &str| {
        let ran = Scene::of_main(grants, source).run(&[]);
        assert!(matches!(ran.exit, Ok(Exit::Completed)), "{:?}", ran.exit);
        (ran.out, ran.audit)
    };
    let still = ["clock=never", "random=seeded"];
    let (first, audit) = run(&still, &source(""));
    let recorded = |audit: &[AuditRecord], family: &str, resource: &str| {
        audit.iter().any(|record| {
            record.family == family && record.resource == resource && record.verdict == Verdict::Allowed
        })
    };
    let made = |block: u64| {
        let mut input = b"secure-runtime seeded".to_vec();
        input.extend_from_slice(ContentHash::of(source("").as_bytes()).as_bytes());
        input.extend_from_slice(&block.to_le_bytes());
        ContentHash::of(&input).to_string().replace("blake3:", "")
    };
    let expected = format!(
        "0 0 1970-01-01T00:00:00.000Z {}{} false\n0 {}\n",
        made(0),
        &made(1)[..16],
        &made(0)[..8]
    );
    assert_eq!(first, expected);
    assert_eq!(run(&still, &source("")).0, first);
    assert!(recorded(&audit, "clock", "never"), "{audit:?}");
    assert!(recorded(&audit, "random", "seeded"), "{audit:?}");
    // Another module has other numbers, and whoever holds the real ones has those.
    assert_ne!(run(&still, &source("// another")).0, first);
    let (real, audit) = run(&["clock=1ms", "random=true"], &source(""));
    assert!(!real.starts_with('0') && !real.contains(&made(0)), "{real}");
    assert!(recorded(&audit, "random", "os"), "{audit:?}");
}

/// RUN-4: time and chance work in a module that holds them and nowhere else.
#[test]
fn time_and_chance_are_capabilities() {
    let source = r#"
        const attempt = (f) => { try { return typeof f(); } catch (error) { return error.name; } };
        console.log([
          attempt(() => Date.now()), attempt(() => new Date().getTime()), attempt(() => Date()), attempt(() => Math.random()),
          attempt(() => globalThis.Date.now()), attempt(() => globalThis.Math.random()), attempt(() => new Date(0).constructor.now()),
          attempt(() => new Date(86_400_000).getTime()), attempt(() => Date.UTC(2020, 0)), attempt(() => Math.max(1, 2)),
          globalThis.Intl?.DateTimeFormat === undefined ? "CapabilityError" : attempt(() => new (globalThis.Intl.DateTimeFormat)().format()),
        ].join());
        class Day extends Date {}
        console.log(new Date(0) instanceof Date, new Day(0) instanceof Date, new Day(5).getTime());
    "#;
    let refused = "CapabilityError";
    assert_eq!(
        output(source),
        format!(
            "{refused},{refused},{refused},{refused},{refused},{refused},{refused},number,number,number,{refused}\ntrue true 5\n"
        )
    );
    let ran = Scene::of_main(&["clock=1ms", "random=true"], source).run(&[]);
    assert!(matches!(ran.exit, Ok(Exit::Completed)), "{:?}", ran.exit);
    assert_eq!(
        ran.out,
        format!(
            "number,number,string,number,{refused},{refused},{refused},number,number,number,{refused}\ntrue true 5\n"
        )
    );
}

/// RUN-5: `console` names the module that prints, except the program's own.
#[test]
fn console_names_the_package() {
    let scene = Scene::new()
        .file(
            "secure.toml",
            "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\nloud = \"./vendor/loud/\"\n",
        )
        .file(
            "main.js",
            "import 'loud'; console.log('mine'); globalThis.console.log('four');",
        )
        .file(
            "vendor/loud/package.json",
            r#"{ "name": "loud", "type": "module", "main": "index.js" }"#,
        )
        .file(
            "vendor/loud/index.js",
            "console.log('one\\n\\u001b[31mtwo\\u202e'); globalThis.console.log('three');",
        );
    let ran = scene.run(&[]);
    assert!(matches!(ran.exit, Ok(Exit::Completed)), "{:?}", ran.exit);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ran.out);
    assert!(
        lines[0].starts_with("[loud/index.js] one") && lines[1].starts_with("[loud/index.js] "),
        "{}",
        ran.out
    );
    assert!(
        !ran.out.contains('\u{1b}') && !ran.out.contains('\u{202e}'),
        "{:?}",
        ran.out
    );
    assert_eq!(
        lines[2..],
        ["[loud/index.js] three", "mine", "[globalThis.console] four"]
    );
}

/// RUN-6: the same bytes in two packages are two instances; the same package imported twice is one.
#[test]
fn instances_are_per_package() {
    let module = "export const state = { count: 0 };";
    let package = |name: &str| format!(r#"{{ "name": "{name}", "type": "module", "main": "index.js" }}"#);
    let scene = Scene::new()
        .file("secure.toml", "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\na = \"./vendor/a/\"\nb = \"./vendor/b/\"\n")
        .file("main.js", "import * as a from 'a'; import * as a2 from 'a'; import * as b from 'b'; import './other.js';\na.state.count++; console.log(a2.state.count, b.state.count, a === a2, a.state === b.state);")
        .file("other.js", "import * as a from 'a'; a.state.count++;")
        .file("vendor/a/package.json", package("a"))
        .file("vendor/b/package.json", package("b"))
        .file("vendor/a/index.js", module)
        .file("vendor/b/index.js", module);
    let ran = scene.run(&[]);
    assert_eq!(ran.out, "2 0 true false\n", "{:?}", ran.exit);
}

/// RUN-7: the entry module's default export is called with the arguments, and awaited.
#[test]
fn main_gets_the_arguments() {
    let source = "export default async function main(args) { await 0; console.log(args.join('+'), Array.isArray(args)); }";
    assert_eq!(Scene::of_main(&[], source).run(&["a", "b c"]).out, "a+b c true\n");
}

/// Every numbered line of spec/runtime.md is named by a test.
#[test]
fn every_line_of_the_specification_has_a_test() {
    fn read(folder: &std::path::Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut tests = String::new();
    read(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"),
        &mut tests,
    );
    let named = |name: &str| {
        tests
            .match_indices(name)
            .any(|(at, _)| !tests[at + name.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    let specification = include_str!("../spec/runtime.md");
    let lines: Vec<&str> = specification
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split("**").next())
        .collect();
    assert!(lines.len() > 20);
    for line in lines {
        assert!(named(line), "no test names {line}");
    }
}
