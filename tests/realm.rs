//! The realm: assignments to inherited properties, time and randomness as capabilities, and module instances.
//! permits.rs compares the objects of the realm with the permit list.

use secure_runtime::{AuditRecord, Exit, Returned, Verdict};
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

/// RUN-3: the override mistake is repaired for assignments of real packages.
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

/// RUN-48: with the coarsest grants, a module has a fixed clock, and random numbers that are the same in every run.
#[test]
fn fixed_clock_and_seeded_randomness() {
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
    // Another module has other numbers, and a module with finer grants has the real ones.
    assert_ne!(run(&still, &source("// another")).0, first);
    let (real, audit) = run(&["clock=1ms", "random=true"], &source(""));
    assert!(!real.starts_with('0') && !real.contains(&made(0)), "{real}");
    assert!(recorded(&audit, "random", "os"), "{audit:?}");
}

/// RUN-4: time and randomness work only in a module with grants for them.
#[test]
fn time_and_randomness_are_capabilities() {
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

/// RUN-5: `console` shows the name of the module that prints, except for the program's own modules.
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

/// RUN-5: characters that could move the cursor or change the writing direction are escaped, in short and in long
/// lines.
#[test]
fn console_escapes_control_characters() {
    let main =
        "const codes = [...Array(0x200).keys(), 0x61c, ...Array(0x70).keys().map((n) => 0x2000 + n), 0xfeff];
        for (const code of codes) {
            const text = `${code} ${String.fromCharCode(code)}`;
            console.log(text);
            console.log(text + '.'.repeat(100));
        }";
    let out = Scene::of_main(&[], main).run(&[]).completed().out;
    let mut rest = out.as_str();
    for code in (0..0x200).chain([0x61c]).chain(0x2000..0x2070).chain([0xfeff]) {
        let character = char::from_u32(code).unwrap();
        let is_unsafe = character.is_control() && !matches!(character, '\n' | '\t')
            || matches!(code, 0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff);
        let shown = match is_unsafe {
            true if code < 0x100 => format!("\\x{code:02x}"),
            true => format!("\\u{code:04x}"),
            false => character.to_string(),
        };
        for after in [String::new(), ".".repeat(100)] {
            let line = format!("{code} {shown}{after}\n");
            rest = rest
                .strip_prefix(&line)
                .unwrap_or_else(|| panic!("{code:#x}: {:.40?}", rest));
        }
    }
    assert_eq!(rest, "");
}

/// RUN-6: the same bytes in two packages are two instances, and two imports of one package share an instance.
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

/// RUN-7: the runtime never calls an export named `then`, neither of the entry module nor of a module in another
/// isolate.
#[test]
fn exports_named_then_are_not_called() {
    let package = "export let called = 0; export const then = (give) => { called++; give(); }; export const so_far = () => called;";
    let main = "import { so_far } from 'p';
        let called = 0;
        export const then = (give) => { called++; give(); };
        export default async () => { await null; console.log(called, await so_far()); };";
    let manifest = "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n";
    let scene = Scene::new()
        .file("secure.toml", manifest)
        .file("p/index.js", package)
        .file("main.js", main);
    assert_eq!(scene.run(&[]).completed().out, "0 0\n");
}

/// RUN-7: the default export of the entry module is called with the arguments, and its promise is awaited.
#[test]
fn main_gets_the_arguments() {
    let source = "export default async function main(args) { await 0; console.log(args.join('+'), Array.isArray(args)); }";
    assert_eq!(Scene::of_main(&[], source).run(&["a", "b c"]).out, "a+b c true\n");
}

/// RUN-107
#[test]
fn report_error_is_an_uncaught_error() {
    let named = Scene::of_main(
        &[],
        "console.log(navigator.userAgent, Object.isFrozen(navigator))",
    );
    assert_eq!(named.run(&[]).completed().out, "secure-runtime true\n");
    let ran = Scene::of_main(
        &[],
        "reportError(new Error('mine')); await null; await new Promise(() => {});",
    );
    match ran.run(&[]).exit {
        Ok(Exit::Uncaught(error)) => assert_eq!(error.message, "Error: mine"),
        other => panic!("{other:?}"),
    }
}

/// A test names every numbered line of spec/runtime.md.
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
    read(&crate::support::root().join("tests"), &mut tests);
    let named = |name: &str| {
        tests
            .match_indices(name)
            .any(|(at, _)| !tests[at + name.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    let specification = [
        include_str!("../spec/runtime.md"),
        include_str!("../spec/serving.md"),
    ]
    .concat();
    let lines: Vec<&str> = specification
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split("**").next())
        // The crate `http` tests the lines about its server.
        .filter(|line| !matches!(line.strip_prefix("SERVE-").map(str::parse::<u32>), Some(Ok(20..))))
        .collect();
    assert!(lines.len() > 36);
    for line in lines {
        assert!(named(line), "no test names {line}");
    }
}

/// RUN-60: the type declarations of `cap:self` contain exactly the methods that guests find.
#[test]
fn the_type_declarations_match_the_objects_of_guests() {
    let types = include_str!("../spec/cap-self.d.ts");
    let made = secure_runtime::types(&[]).unwrap();
    let file = crate::support::root().join("spec/cap-self.d.ts");
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(file, &made).unwrap();
    } else {
        assert_eq!(
            types, made,
            "set UPDATE_TYPES=1 to write spec/cap-self.d.ts again"
        );
    }
    let interfaces = [
        ("fs", "FileSystem"),
        ("net", "Network"),
        ("env", "Environment"),
        ("clock", "Clock"),
        ("random", "Random"),
        ("kv", "KeyValue"),
        ("http", "Http"),
        ("secrets", "Secrets"),
        ("log", "Log"),
    ];
    let ran = Scene::of_main(
        &[],
        "import * as all from 'cap:self';
        const methodsOf = (object) => {
          const names = [];
          for (let of = Object.getPrototypeOf(object); of !== Object.prototype; of = Object.getPrototypeOf(of)) names.push(...Object.getOwnPropertyNames(of));
          return names;
        };
        for (const name of Object.keys(all).sort()) {
          const methods = typeof all[name] === 'object' ? methodsOf(all[name]).sort() : [];
          console.log([name, ...methods].join(' '));
        }",
    )
    .run(&[])
    .completed();
    let found: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split(' ').collect()).collect();
    assert!(found.len() >= 8, "{}", ran.out);
    for line in &found {
        let (name, methods) = line.split_first().unwrap();
        let Some((_, interface)) = interfaces.iter().find(|(family, _)| family == name) else {
            let declared = [
                format!("export function {name}("),
                format!("export function {name}<"),
                format!("export class {name} "),
            ];
            assert!(declared.iter().any(|text| types.contains(text)), "{name}");
            continue;
        };
        assert!(
            types.contains(&format!("export const {name}: {interface};")),
            "{name}"
        );
        let start = types.find(&format!("export interface {interface} ")).unwrap();
        let body = &types[start..start + types[start..].find("\n  }").unwrap()];
        let mut named: Vec<&str> = body
            .lines()
            .skip(1)
            .filter_map(|line| line.strip_prefix("    ")?.split_once('('))
            .map(|(method, _)| method)
            .filter(|method| method.bytes().all(|byte| byte.is_ascii_alphabetic()))
            .chain(["attenuate", "revocable"])
            .collect();
        named.sort_unstable();
        // A method can have several signatures.
        named.dedup();
        assert_eq!(*methods, named, "{interface}");
    }
}

/// RUN-7: the host gets the result of the entry function.
#[test]
fn the_result_of_the_entry_function_is_returned() {
    let json = |text: &str| Returned::Json(text.to_owned());
    for (source, returned) in [
        (
            "export default () => ({ a: [1, 'é', null, undefined] })",
            json(r#"{"a":[1,"é",null,null]}"#),
        ),
        ("export default async () => 'text'", json("\"text\"")),
        ("export default () => null", json("null")),
        ("export default () => ({ toJSON: () => 7 })", json("7")),
        (
            "export default () => new Uint8Array([1, 2, 255]).subarray(1)",
            Returned::Bytes(vec![2, 255]),
        ),
        ("export default async () => {}", Returned::Nothing),
        ("export default 1", Returned::Nothing),
        ("export const other = () => 1", Returned::Nothing),
    ] {
        let ran = Scene::of_main(&[], source).run(&[]).completed();
        assert_eq!(ran.returned, returned, "{source}");
    }
    for (source, error) in [
        (
            "export default () => () => 1",
            "the entry function returned a function",
        ),
        (
            "export default () => { const a = []; a.push(a); return a; }",
            "TypeError",
        ),
        ("export default () => 1n", "TypeError"),
        (
            "export default () => ({ get a() { throw new Error('from a getter'); } })",
            "from a getter",
        ),
    ] {
        let ran = Scene::of_main(&[], source).run(&[]);
        let Ok(Exit::Uncaught(uncaught)) = &ran.exit else {
            panic!("{source}: {:?}", ran.exit);
        };
        assert!(uncaught.message.contains(error), "{source}: {uncaught:?}");
        assert_eq!(ran.returned, Returned::Nothing);
    }
    // A program that fails later returns nothing.
    let late = "export default () => { setTimeout(() => { throw new Error('late'); }); return 1; }";
    let ran = Scene::of_main(&[], late).run(&[]);
    assert!(matches!(ran.exit, Ok(Exit::Uncaught(_))), "{ran:?}");
    assert_eq!(ran.returned, Returned::Nothing);
}
