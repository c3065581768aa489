//! Packages in isolates of their own: the same imports, separate heaps, and only structured clones between them.

use std::time::Duration;

use secure_runtime::{
    Exit, Limit, LimitHit, LimitScope, Limits, OpenOptions, PackageLimits, Program, Quotas, Runtime,
};

use crate::support::{Ran, Scene, grant_table};

/// Creates a program whose package `p` has its own isolate and these grants.
fn scene(package: &str, grants: &[&str], main: &str) -> Scene {
    let ceiling: Vec<&str> = grants.iter().copied().chain(["fs.read=./data/**"]).collect();
    let manifest = format!(
        "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\n[grants]\n{}[packages.p]\nisolate = true\n[packages.p.grants]\n{}",
        grant_table(&ceiling),
        grant_table(grants),
    );
    Scene::new()
        .file("secure.toml", manifest)
        .file("p/index.js", package)
        .file("data/a.txt", "some text")
        .file("main.js", main)
}

fn run(package: &str, main: &str) -> Ran {
    scene(package, &[], main).run(&[])
}

/// Returns the output of the program.
fn out(package: &str, main: &str) -> String {
    run(package, main).completed().out
}

/// RUN-60: the imports are the same. Functions become asynchronous, and other values are copies.
#[test]
fn exports_are_functions_and_copies() {
    let package = "export default function add(a, b) { return a + b; }
        export const later = async (x) => { await null; return x * 2; };
        export const settings = { deep: [1, { two: 2 }], when: new Date(5) };
        export const tools = { name: 'tools', greet() { return `${this.name} greet`; } };
        let count = 0;
        export const next = () => ++count;
        export { next as 'a name with spaces' };";
    let main = "import add, { later, settings, tools, next, 'a name with spaces' as named } from 'p';
        console.log(add(1, 2) instanceof Promise, await add(1, 2), await later(21));
        console.log(JSON.stringify(settings), settings.when instanceof Date);
        console.log(await tools.greet(), add.name, typeof next);
        console.log(await next(), await named(), (await Promise.all([next(), next(), next()])).join());";
    assert_eq!(
        out(package, main),
        "true 3 42\n{\"deep\":[1,{\"two\":2}],\"when\":\"1970-01-01T00:00:00.005Z\"} true\ntools greet add function\n1 2 3,4,5\n"
    );
}

/// RUN-61: values are copied like by structured cloning.
#[test]
fn values_are_copied_as_structured_cloning_does() {
    let package = "export const same = (value) => value;
        export const kind = (value) => Object.prototype.toString.call(value);";
    let main = r#"import { same, kind } from "p";
        const circle = { list: [1] };
        circle.self = circle;
        circle.list.push(circle.list);
        const back = await same(circle);
        console.log(back !== circle, back.self === back, back.list[1] === back.list);
        const sparse = [1, , 3];
        const copied = await same(sparse);
        console.log(copied.length, 1 in copied);
        for (const value of [undefined, null, true, "text", "\ud800", 0, -0, NaN, Infinity, -Infinity, 1.5, 2n ** 70n]) {
          if (!Object.is(await same(value), value)) console.log("changed:", value);
        }
        const map = await same(new Map([[{ key: 1 }, new Set([1, "a"])]]));
        console.log([...map][0][0].key, [...[...map][0][1]].join());
        const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
        const views = await same([new Uint8Array(buffer, 1, 2), new DataView(buffer, 2), new Float64Array([1.5]), buffer]);
        console.log(views[0].join(), views[0].buffer === views[3], views[1].getUint8(1), views[2][0]);
        console.log(String(await same(/a+/gi)), (await same(new Date(NaN))).getTime());
        const error = await same(new RangeError("too far", { cause: "why" }));
        console.log(error instanceof RangeError, error.message, error.cause);
        const odd = await same(JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}'));
        console.log(odd.polluted, Object.hasOwn(odd, "__proto__"), odd.constructor, ({}).polluted);
        class Point { constructor() { this.x = 1; } get y() { return 2; } }
        const point = await same(new Point());
        console.log(point.x, point.y, point instanceof Point, await kind([]), await kind(new Map()));
        const interfaces = typeof Blob === "function" ? [new Blob(["a"]), new URL("https://a.test/"), new Response("a"), [new Headers()]] : [];
        for (const value of [() => 1, Symbol("s"), Promise.resolve(1), new WeakMap(), new Proxy({}, {}), { deep: [() => 1] }, ...interfaces]) {
          try {
            await same(value);
            console.log("went through");
          } catch (error) {
            if (!(error instanceof TypeError)) console.log(error);
          }
        }"#;
    assert_eq!(
        out(package, main),
        "true true true\n3 false\n1 1,a\n2,3 true 4 1.5\n/a+/gi NaN\ntrue too far why\nundefined true 1 undefined\n1 undefined false [object Array] [object Map]\n"
    );
}

/// RUN-62: a capability that is passed to another isolate keeps its attenuations, and its revocation takes effect at
/// once.
#[test]
fn capabilities_cross_and_revocation_reaches_them() {
    let package = "import { fs } from 'cap:self';
        export const read = async ({ disk, path }) => await disk.readTextFile(path);
        export const own = async (path) => await fs.readTextFile(path);
        let kept;
        export const keep = (disk) => { kept = disk; };
        export const readKept = async (path) => await kept.readTextFile(path);
        export const lend = () => fs;";
    let main = r#"import { fs } from "cap:self";
        import { read, own, keep, readKept, lend } from "p";
        const tried = async (call) => { try { return await call(); } catch (error) { return `${error.name} ${error.code} ${error.module}`; } };
        console.log(await tried(() => own("data/a.txt")));
        console.log(await read({ disk: fs, path: "data/a.txt" }));
        const narrow = fs.attenuate({ read: ["data/public/**"] });
        console.log(await tried(() => read({ disk: narrow, path: "data/a.txt" })));
        const { capability, revoke } = fs.revocable();
        await keep(capability);
        console.log(await readKept("data/a.txt"));
        revoke();
        console.log(await tried(() => readKept("data/a.txt")));
        console.log(await tried(async () => (await lend()).readTextFile("data/a.txt")));"#;
    let ran = scene(package, &[], main).run(&[]).completed();
    assert_eq!(
        ran.out,
        "CapabilityError denied p/index.js\nsome text\nCapabilityError denied app:/main.js\nsome text\nCapabilityError revoked app:/main.js\nCapabilityError denied p/index.js\n"
    );
    // With the grant, the operations that were denied above succeed.
    let ran = scene(package, &["fs.read=./data/**"], main).run(&[]).completed();
    assert!(ran.out.starts_with("some text\nsome text\n"), "{}", ran.out);
    assert!(
        ran.out.ends_with("revoked app:/main.js\nsome text\n"),
        "{}",
        ran.out
    );
}

/// RUN-62: paths of an attenuated capability are opened beneath the original scope in the other isolate as well.
#[test]
fn a_link_does_not_lead_out_of_a_narrowed_capability_that_crossed() {
    let package = "export const read = async (disk, path) => await disk.readTextFile(path);";
    let main = r#"import { fs } from "cap:self";
        import { read } from "p";
        const outer = fs.attenuate({ read: ["data/open/**"] });
        const inner = outer.attenuate({ read: ["data/open/sub/**"] });
        for (const disk of [fs, outer, inner]) {
          try { console.log(await read(disk, "data/open/sub/f.txt")); } catch (error) { console.log(error.name); }
        }
        console.log(await read(outer, "data/open/g.txt"));"#;
    let ran = scene(package, &[], main)
        .file("data/closed/f.txt", "secret")
        .file("data/open/g.txt", "public")
        .link("data/open/sub", "../closed")
        .run(&[])
        .completed();
    assert_eq!(ran.out, "secret\nPermissionDenied\nPermissionDenied\npublic\n");
}

/// RUN-63: an error that a call throws reaches the caller. An uncaught error ends the isolate, and its calls report
/// that.
#[test]
fn errors_cross_and_a_crash_is_an_error_at_the_caller() {
    let package = "export const fail = () => { throw new RangeError('too far'); };
        export const odd = () => { throw { code: 7 }; };
        export const worse = () => { throw () => 1; };
        export const crash = () => { setTimeout(() => { throw new Error('boom'); }, 1); return 'soon'; };
        export const never = () => new Promise(() => {});
        export const fine = () => 'fine';";
    let main = r#"import { fail, odd, worse, crash, never, fine } from "p";
        const tried = async (call) => { try { return await call(); } catch (error) { return error; } };
        const error = await tried(fail);
        console.log(error instanceof RangeError, error.message);
        console.log((await tried(odd)).code, (await tried(worse)).message);
        console.log(await fine());
        const waiting = tried(never);
        console.log(await crash());
        for (const error of [await waiting, await tried(fine)]) console.log(error.name, error.code, error.message);"#;
    let ended =
        "IsolateError failed the isolate of package p ended by an error that was not caught: Error: boom\n";
    assert_eq!(
        out(package, main),
        format!(
            "true too far\n7 the error that was thrown cannot cross to another isolate\nfine\nsoon\n{ended}{ended}"
        )
    );
    let ran = run(
        "throw new Error('not today');",
        "import * as p from 'p'; console.log(p);",
    );
    assert!(
        matches!(&ran.exit, Ok(Exit::Uncaught(error)) if error.message.contains("not today")),
        "{ran:#?}"
    );
    let ran = run(
        "export const a = Symbol('a');",
        "import { a } from 'p'; console.log(a);",
    );
    assert!(
        matches!(&ran.exit, Ok(Exit::Uncaught(error)) if error.message.contains("a symbol cannot cross")),
        "{ran:#?}"
    );
}

/// RUN-64: an uncaught denial is reported as a denial, in whichever isolate it was decided.
#[test]
fn an_uncaught_denial_of_an_isolate_is_a_denial() {
    let package = "import { fs } from 'cap:self'; export const read = () => fs.readTextFile('data/a.txt');";
    let ran = run(package, "import { read } from 'p'; await read();");
    match ran.exit {
        Ok(Exit::Denied(report, _)) => assert_eq!(report.module, "p/index.js"),
        other => panic!("{other:?}"),
    }
    assert!(ran.audit.iter().any(|record| record.module == "p/index.js"));
}

/// RUN-65: a package that exceeds a limit ends only its own isolate. The message names the limit, the package and the
/// value.
#[test]
fn a_limit_ends_the_packages_isolate_and_nothing_else() {
    let cases = [
        (
            "export const go = () => { const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length)); };",
            PackageLimits {
                heap: Some(32 << 20),
                ..PackageLimits::default()
            },
            "package p hit its heap limit of 32.0 MiB",
        ),
        (
            "export const go = () => { for (;;); };",
            PackageLimits {
                cpu: Some(Duration::from_millis(200)),
                ..PackageLimits::default()
            },
            "package p hit its processor time limit of 200ms",
        ),
        (
            "export const go = () => new Promise((resolve) => setTimeout(resolve, 60_000));",
            PackageLimits {
                wall: Some(Duration::from_millis(300)),
                ..PackageLimits::default()
            },
            "package p hit its wall time limit of 300ms",
        ),
        (
            "export const go = async () => { for (;;) { setTimeout(() => {}, 60_000); await null; } };",
            PackageLimits {
                quotas: Quotas {
                    timers: Some(50),
                    ..Quotas::default()
                },
                ..PackageLimits::default()
            },
            "package p hit its limit of 50 timers",
        ),
    ];
    for (package, mut of_package, message) in cases {
        let mut message = message.to_owned();
        let main = "import { go } from 'p';
            let ticks = 0;
            const ticking = setInterval(() => ticks++, 5);
            try { await go(); } catch (error) { console.log(error.name, error.code, error.message); }
            // The program's own timers must continue, else its wall time limit ends this loop.
            while (ticks === 0) await new Promise((resolve) => setTimeout(resolve, 1));
            clearInterval(ticking);
            try { await go(); } catch (error) { console.log(error.message); }
            console.log(ticks > 0);";
        let with = |main: &str, of_package: &PackageLimits| {
            let limits = Limits {
                wall: Some(Duration::from_secs(600)),
                packages: [("p".to_owned(), of_package.clone())].into(),
                ..Limits::default()
            };
            scene(package, &[], main).limits(limits).run(&[])
        };
        let mut ran = with(main, &of_package);
        // A busy machine may need longer to start the package's isolate.
        while let (Some(wall), Ok(Exit::Limit(_))) = (of_package.wall, &ran.exit) {
            let longer = wall * 10;
            message = format!(
                "package p hit its wall time limit of {}",
                humantime::format_duration(longer)
            );
            of_package.wall = Some(longer);
            ran = with(main, &of_package);
        }
        let ran = ran.completed();
        assert_eq!(
            ran.out,
            format!("IsolateError limit {message}\n{message}\ntrue\n"),
            "{package}"
        );
        let ran = with("import { go } from 'p'; await go();", &of_package);
        match ran.exit {
            Ok(Exit::Limit(hit)) => {
                assert_eq!(hit.to_string(), message);
                assert_eq!(hit.unit, LimitScope::Package("p".to_owned()));
            }
            other => panic!("{package}: {other:?}"),
        }
    }
}

/// RUN-82: a limit of a package that ends its isolate before it is imported is that limit, too.
#[test]
fn a_limit_during_the_evaluation_of_a_package_is_a_limit() {
    let limits = Limits {
        packages: [(
            "p".to_owned(),
            PackageLimits {
                cpu: Some(Duration::from_millis(200)),
                ..PackageLimits::default()
            },
        )]
        .into(),
        ..Limits::default()
    };
    for (main, is_limit) in [
        ("import { go } from 'p'; go();", true),
        // deno_core replaces the error of a failed `import()`.
        ("const { go } = await import('p'); go();", false),
        (
            "await import('p').catch((error) => { throw new Error(error.message); });",
            false,
        ),
        ("await import('p').catch(() => {});", false),
    ] {
        let ran = scene("for (;;); export const go = () => {};", &[], main)
            .limits(limits.clone())
            .run(&[]);
        match &ran.exit {
            Ok(Exit::Limit(hit)) => {
                assert_eq!(hit.unit, LimitScope::Package("p".to_owned()), "{main}");
                assert!(is_limit && matches!(hit.limit, Limit::Cpu(_)), "{main}: {hit}");
            }
            other => assert!(!is_limit, "{main}: {other:?}"),
        }
    }
}

/// RUN-65: the program's own limits also apply to the isolates of its packages.
#[test]
fn the_programs_limits_are_for_all_its_isolates() {
    let package = "export const go = () => { for (;;); };";
    for limits in [
        Limits {
            cpu: Some(Duration::from_millis(300)),
            ..Limits::default()
        },
        Limits {
            wall: Some(Duration::from_millis(300)),
            ..Limits::default()
        },
    ] {
        let ran = scene(
            package,
            &[],
            "import { go } from 'p'; try { await go(); } catch { for (;;); }",
        )
        .limits(limits)
        .run(&[]);
        assert!(
            matches!(
                &ran.exit,
                Ok(Exit::Limit(LimitHit {
                    unit: LimitScope::Program,
                    limit: Limit::Cpu(_) | Limit::Wall(_),
                    ..
                }))
            ),
            "{ran:#?}"
        );
    }
}

/// RUN-66: if a program ends or is stopped, its isolates end as well, whatever they are doing.
#[test]
fn stopping_a_program_stops_its_isolates() {
    let package = "export const spin = () => { for (;;); };
        export const later = () => { setTimeout(spin, 1); };";
    assert_eq!(
        out(
            package,
            "import { later } from 'p'; await later(); console.log('over');"
        ),
        "over\n"
    );
    let scene = scene(package, &[], "import { spin } from 'p'; await spin();");
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    reactor.block_on(async {
        let program = Program::open(scene.base(), &OpenOptions::default())
            .await
            .unwrap();
        let runtime = Runtime::builder()
            .base(program.base())
            .shared_store(program.store())
            .build()
            .unwrap();
        let stop = runtime.stop_handle();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            stop.stop();
        });
        let outcome = runtime.run(program.graph(), &[]).await.unwrap();
        assert!(matches!(outcome.exit, Exit::Stopped), "{:?}", outcome.exit);
    });
}

/// RUN-67: changes of shared objects in one isolate are not visible in another.
#[test]
fn isolates_share_nothing() {
    let package = "export const mark = () => { globalThis.mark = 1; return Symbol.for('shared') === Symbol.for('shared'); };
        export const list = [1, 2];
        export const push = () => list.push(3);";
    let main = "import { mark, list, push } from 'p';
        await mark(); await push();
        console.log(globalThis.mark, list.length);
        list.push(9);
        console.log(await push());";
    assert_eq!(out(package, main), "undefined 2\n4\n");
}

/// RUN-68: packages in isolates of their own must not import each other. Such a program is refused before any code
/// runs.
#[test]
fn isolates_that_wait_for_each_other_are_refused() {
    let manifest = "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\na = \"npm:a@1.0.0\"\nb = \"npm:b@1.0.0\"\n[packages.a]\nisolate = true\n[packages.b]\nisolate = true\n";
    let package = |name: &str| {
        format!(
            "{{\"name\":\"{name}\",\"version\":\"1.0.0\",\"type\":\"module\",\"exports\":\"./index.js\"}}"
        )
    };
    let scene = |b: &str| {
        Scene::new()
            .file("secure.toml", manifest)
            .file(
                "main.js",
                "import { a } from 'a'; import { b } from 'b'; console.log(await a(), await b());",
            )
            .file("node_modules/a/package.json", package("a"))
            .file("node_modules/b/package.json", package("b"))
            .file(
                "node_modules/a/index.js",
                "import { b } from 'b'; export const a = async () => `a of ${await b()}`;",
            )
            .file("node_modules/b/index.js", b)
    };
    let ran = scene("export const b = () => 'b';").run(&[]).completed();
    assert_eq!(ran.out, "a of b b\n");
    let ran = scene("import { a } from 'a'; export const b = () => a;").run(&[]);
    let error = ran.exit.unwrap_err();
    assert!(error.contains("a imports b imports a"), "{error}");
}

/// RUN-69: messages in transit are in no heap, but are limited nevertheless.
#[test]
fn messages_in_transit_are_limited() {
    let package = "export const take = (bytes) => bytes.length; export const give = (n) => new Uint8Array(n);
        export const work = (n) => { let sum = 0; for (let i = 0; i < n; i++) sum ^= i; return sum; };";
    // The package receives no messages while it works.
    let steps = if cfg!(feature = "quickjs") { "3e7" } else { "1e9" };
    let main = "import { take, give, work } from 'p';
        const working = work(STEPS);
        const calls = [];
        const some = new Uint8Array(2 << 20);
        for (let i = 0; i < 60; i++) calls.push(take(some).catch((error) => error.code));
        const said = await Promise.all(calls);
        console.log(said.includes('limit'), said.includes(2 << 20), await take(new Uint8Array(5)));
        console.log((await give(3)).length);
        await working;"
        .replace("STEPS", steps);
    let limits = Limits {
        heap: 64 << 20,
        packages: [(
            "p".to_owned(),
            PackageLimits {
                heap: Some(512 << 20),
                ..PackageLimits::default()
            },
        )]
        .into(),
        ..Limits::default()
    };
    let ran = scene(package, &[], &main).limits(limits).run(&[]).completed();
    assert_eq!(ran.out, "true true 5\n3\n");
}

/// RUN-57: programs take warm isolates, which are replaced and work like new ones.
#[test]
fn warm_isolates_are_used_and_replaced() {
    let package = "export const double = (x) => x * 2;";
    let main = "import { double } from 'p'; globalThis.seen; console.log(await double(4), globalThis.left);";
    let scene = scene(package, &[], main);
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let waiting = |runtime: &Runtime| {
        let begun = std::time::Instant::now();
        while runtime.idle_isolates() < 2 {
            assert!(
                begun.elapsed() < Duration::from_secs(600),
                "no isolate began to wait"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    reactor.block_on(async {
        let program = Program::open(scene.base(), &OpenOptions::default())
            .await
            .unwrap();
        let printed = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let sink = printed.clone();
        let runtime = Runtime::builder()
            .base(program.base())
            .shared_store(program.store())
            .console(move |line| sink.lock().unwrap().push_str(line.text))
            .idle_isolates(2)
            .build()
            .unwrap();
        for _ in 0..4 {
            waiting(&runtime);
            let outcome = runtime.run(program.graph(), &[]).await.unwrap();
            assert!(matches!(outcome.exit, Exit::Completed), "{:?}", outcome.exit);
        }
        waiting(&runtime);
        assert_eq!(*printed.lock().unwrap(), "8 undefined\n".repeat(4));
    });
}

/// RUN-44, RUN-61: a call to another isolate near the end of the stack succeeds or throws an error, and never ends the
/// process.
#[test]
fn calls_at_the_end_of_the_stack_are_errors_of_the_guest() {
    let package = "export const take = (value) => typeof value;
        export const deep = (depth) => { let list = []; for (let i = 0; i < depth; i++) list = [list]; return list; };";
    let main = r#"import { fs, clock } from "cap:self";
        import { take, deep } from "p";
        let made = 0, failed = 0;
        const calls = new Array(301).fill();
        const fall = () => {
          try {
            fall();
          } finally {
            if (made < 300) {
              made++;
              try { calls[made] = take({ fs, clock, list: [1, { a: new Uint8Array(3) }] }); } catch { failed++; }
            }
          }
        };
        try { fall(); } catch (error) { console.log(error instanceof RangeError || /stack/.test(String(error))); }
        failed += (await Promise.allSettled(calls)).filter(({ status }) => status === "rejected").length;
        console.log(made, await take(fs), failed <= made);
        let list = [];
        for (let i = 0; i < 1e5; i++) list = [list];
        try { await take(list); } catch (error) { console.log("refused"); }
        try { await deep(1e5); } catch (error) { console.log("refused"); }
        console.log(await take(1));"#;
    let ran = run(package, main).completed();
    assert_eq!(ran.out, "true\n300 object true\nrefused\nrefused\nnumber\n");
}

/// RUN-56: limits are errors if the package does not exist, or if only a separate isolate could enforce them.
#[test]
fn limits_of_packages_that_cannot_be_enforced_are_refused() {
    let with = |name: &str, limits: PackageLimits| {
        let limits = Limits {
            packages: [(name.to_owned(), limits)].into(),
            ..Limits::default()
        };
        let manifest = "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\n";
        Scene::new()
            .file("secure.toml", manifest)
            .file("p/index.js", "export {};")
            .file("main.js", "import 'p';")
            .limits(limits)
            .run(&[])
            .exit
    };
    let quotas = PackageLimits {
        quotas: Quotas {
            operations: Some(1),
            ..Quotas::default()
        },
        ..PackageLimits::default()
    };
    assert!(matches!(with("p", quotas.clone()), Ok(Exit::Completed)));
    let error = with("q", quotas).unwrap_err();
    assert!(error.contains("package q"), "{error}");
    let cpu = PackageLimits {
        cpu: Some(Duration::from_secs(1)),
        ..PackageLimits::default()
    };
    let error = with("p", cpu).unwrap_err();
    assert!(
        error.contains("`cpu`") && error.contains("isolate = true"),
        "{error}"
    );
}
