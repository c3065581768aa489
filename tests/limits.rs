//! Limits: the resources that one run may use. Reaching a limit ends that run and nothing else.

use std::time::Duration;

use secure_runtime::{
    Exit, Limit, LimitHit, LimitScope, Limits, OpenOptions, PackageLimits, Program, Quotas, Runtime,
};

use crate::support::Scene;

fn with(source: &str, limits: Limits) -> Exit {
    Scene::of_main(&[], source).limits(limits).run(&[]).exit.unwrap()
}

fn wall() -> Limits {
    Limits {
        wall: Some(Duration::from_millis(500)),
        ..Limits::default()
    }
}

/// RUN-40: the wall limit ends every kind of endless program.
#[test]
fn the_wall_limit_ends_endless_programs() {
    for source in [
        "for (;;) {}",
        "while (true) await 0;",
        "setInterval(() => {}, 10);",
        "const again = () => queueMicrotask(again); again();",
        "/(a+)+$/.test('a'.repeat(60) + 'b');",
        "try { for (;;) {} } finally { for (;;) {} }",
        "import { fs } from 'cap:self'; for (;;) { try { await fs.readFile('/x'); } catch { } }",
        "export default () => new Promise((resolve) => setTimeout(resolve, 60_000));",
    ] {
        let exit = with(source, wall());
        assert!(
            matches!(
                exit,
                Exit::Limit(LimitHit {
                    limit: Limit::Wall(_),
                    ..
                })
            ),
            "{source}: {exit:?}"
        );
    }
    let long = Limits {
        wall: Some(Duration::from_secs(3600)),
        ..Limits::default()
    };
    assert!(matches!(
        with("for (let i = 0; i < 1000; i++);", long),
        Exit::Completed
    ));
}

/// RUN-41: waiting uses no processor time, and computing does.
#[cfg(target_os = "linux")]
#[test]
fn the_processor_limit_counts_work_and_not_waiting() {
    let limits = || Limits {
        cpu: Some(Duration::from_millis(400)),
        ..Limits::default()
    };
    let exit = with("for (;;) {}", limits());
    assert!(
        matches!(
            exit,
            Exit::Limit(LimitHit {
                limit: Limit::Cpu(_),
                ..
            })
        ),
        "{exit:?}"
    );
    let exit = with(
        "await new Promise((resolve) => setTimeout(resolve, 1200));",
        limits(),
    );
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
}

/// RUN-42: memory of every kind is limited, and the process continues.
#[test]
fn the_heap_limit_holds_for_every_kind_of_memory() {
    let limits = || Limits {
        heap: 48 << 20,
        wall: Some(Duration::from_secs(600)),
        ..Limits::default()
    };
    for source in [
        "const kept = []; for (;;) kept.push({ a: kept.length, b: [1, 2, 3] });",
        "const kept = []; for (;;) kept.push(new Array(10_000).fill(1.5));",
        "const kept = []; for (;;) kept.push(new ArrayBuffer(1 << 20));",
        "let text = 'x'; const kept = []; for (;;) { text += text.length; kept.push(text.slice(1) + kept.length); }",
        "new Uint8Array(2 ** 33);",
    ] {
        let exit = with(source, limits());
        let bounded = match &exit {
            Exit::Limit(LimitHit {
                limit: Limit::Heap(_),
                ..
            }) => true,
            // An engine may also refuse a single allocation that can never succeed.
            Exit::Uncaught(error) => error.message.starts_with("RangeError"),
            _ => false,
        };
        assert!(bounded, "{source}: {exit:?}");
    }
    assert!(matches!(
        with("const some = new Array(100_000).fill(1.5);", limits()),
        Exit::Completed
    ));
}

/// RUN-44, A94: if an isolate is terminated while it creates objects of the runtime, its run ends, and nothing else.
#[test]
fn stopping_a_run_that_creates_objects_ends_only_that_run() {
    let rest = "if (n % 500 === 0) await new Promise((done) => setTimeout(done, 0));";
    for round in 0..12 {
        for source in [
            format!("for (let n = 1;; n++) {{ clock.revocable(); {rest} }}"),
            format!("for (let n = 1;; n++) {{ clock.attenuate({{ expires: '1h' }}); {rest} }}"),
            "for (;;) (await fs.open('data/a.txt')).close();".to_owned(),
        ] {
            let main = format!("import {{ clock, fs }} from 'cap:self'; {source}");
            let limits = Limits {
                wall: Some(Duration::from_millis(60 + 5 * round)),
                ..Limits::default()
            };
            let ran = Scene::of_main(&["clock=1s", "fs.read=./data/**"], &main)
                .file("data/a.txt", "some text")
                .limits(limits)
                .run(&[]);
            let exit = ran.exit.unwrap();
            let is_stopped = matches!(&exit, Exit::Limit(hit) if matches!(hit.limit, Limit::Wall(_)));
            assert!(is_stopped, "{source}: {exit:?}");
        }
    }
}

/// RUN-75, A92: the memory of capabilities is counted.
#[test]
fn capabilities_may_use_as_much_memory_as_the_heap() {
    let of = |heap: u64, source: &str| {
        let source = format!(
            "import {{ clock, fs }} from 'cap:self';
             const until = (most, make) => {{
                 const kept = [];
                 try {{ while (kept.length < most) kept.push(make(kept.length)); }} catch (error) {{ return [kept, error]; }}
                 return [kept, undefined];
             }};
             {source}"
        );
        let limits = Limits {
            heap,
            ..Limits::default()
        };
        let ran = Scene::of_main(&["clock=1s", "fs.read=./data/**"], &source)
            .limits(limits)
            .run(&[]);
        (ran.exit.unwrap(), ran.out)
    };
    // Each of these takes about a megabyte, but no memory of the engine's heap.
    let wide = "const read = Array.from({ length: 1000 }, (_, n) => 'data/' + n);
        const [kept, error] = until(200, () => fs.attenuate({ read }));
        console.log(error?.name, error?.message.includes('raise the limit `heap`'), kept.length > 10);
        console.log((await kept[9].readTextFile('data/1').catch((error) => error)).name);
        try { await kept[9].readTextFile('elsewhere'); } catch (error) { console.log(error.code); }";
    let (exit, output) = of(32 << 20, wide);
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
    assert_eq!(output, "RangeError true true\nNotFound\ndenied\n");
    // If there is enough memory, they are created.
    let (exit, output) = of(512 << 20, wide);
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
    assert!(output.starts_with("undefined undefined true\n"), "{output}");

    // Kept capabilities with few rights reach one of the limits. If the engine frees dropped ones, there is memory for
    // others.
    let narrow = "let [kept, error] = until(60_000, () => clock.attenuate({ expires: '1h' }));
        console.log(error?.name, kept.length > 2_000);
        kept = undefined;
        [, error] = until(1, () => clock.attenuate({ expires: '1h' }));
        console.log(error?.name);";
    // The bindings of QuickJS fail if more than 16,384 objects exist at the same time.
    let heap = if cfg!(feature = "quickjs") {
        16 << 20
    } else {
        32 << 20
    };
    let (exit, output) = of(heap, narrow);
    assert!(matches!(exit, Exit::Completed), "{exit:?} {output}");
    let after = if cfg!(feature = "v8") {
        "undefined"
    } else {
        "RangeError"
    };
    assert_eq!(output, format!("RangeError true\n{after}\n"));

    // Capabilities are created and dropped repeatedly.
    let churn = "for (let n = 0; n < 40_000; n++) clock.attenuate({ expires: '1h' });
        console.log('through');";
    let (exit, output) = of(heap, churn);
    if cfg!(feature = "v8") {
        assert_eq!(output, "through\n", "{exit:?}");
    } else {
        assert!(matches!(exit, Exit::Uncaught(_)), "{exit:?} {output}");
    }
}

/// RUN-86: results for which there is no memory wait for earlier results, and all are read in the end. Results that are
/// kept too long are refused.
#[test]
fn results_wait_for_memory_and_are_refused_if_there_is_none() {
    let of = |source: &str| {
        let source = format!("import {{ fs }} from 'cap:self'; {source}");
        Scene::of_main(&["fs.read=./data/**"], &source)
            .file("data/a", vec![b'a'; 1 << 20])
            .limits(Limits {
                heap: 64 << 20,
                ..Limits::default()
            })
            .run(&[])
    };
    // 300 MiB are requested at the same time, with 64 MiB of memory.
    let ran = of("let sum = 0; const all = [];
        for (let n = 0; n < 300; n++) all.push(fs.readFile('data/a').then((bytes) => { sum += bytes.length; }));
        await Promise.all(all); console.log(sum === 300 * 2 ** 20);");
    assert_eq!(ran.completed().out, "true\n");
    if cfg!(feature = "v8") {
        let ran = of("const kept = await Promise.allSettled(Array.from({ length: 300 }, () => fs.readFile('data/a')));
            const refused = kept.filter(({ status }) => status === 'rejected');
            console.log(refused.length > 200, kept.length - refused.length > 20, refused[0].reason.name, refused[0].reason.message.includes('there is no room'));
            kept.length = 0; refused.length = 0;
            console.log((await fs.readFile('data/a')).length);");
        assert_eq!(ran.completed().out, "true true RangeError true\n1048576\n");
    }
}

/// RUN-44: stack exhaustion is an error of the guest, or no error. It never ends the process.
#[test]
fn deep_recursion_is_an_error_of_the_guest() {
    let limits = || Limits {
        wall: Some(Duration::from_secs(600)),
        ..Limits::default()
    };
    for source in [
        "const f = () => f() + 1; f();",
        "JSON.parse('['.repeat(200_000));",
    ] {
        let exit = with(source, limits());
        assert!(matches!(exit, Exit::Uncaught(_)), "{source}: {exit:?}");
    }
    for source in [
        "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a);",
        "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; structuredClone(a);",
        "let a = {}; for (let i = 0; i < 1e5; i++) a = new Proxy(a, {}); a.x;",
        "let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; console.log(a);",
        "let p = Promise.resolve(); for (let i = 0; i < 1e5; i++) p = p.then(() => p); await Promise.race([p, 1]);",
    ] {
        let exit = with(source, limits());
        assert!(
            matches!(exit, Exit::Uncaught(_) | Exit::Completed),
            "{source}: {exit:?}"
        );
    }
}

/// RUN-43: a program that reaches its limit does not affect others in the same process. A host can stop a program.
#[test]
fn runs_are_apart() {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    reactor.block_on(async {
        let endless = Scene::of_main(&[], "for (;;) {}");
        let honest = Scene::of_main(
            &[],
            "let n = 0; while (n < 20) { await new Promise((r) => setTimeout(r, 20)); n++; }",
        );
        let runtime = |limits: Limits, program: &Program| {
            Runtime::builder()
                .base(program.base())
                .shared_store(program.store())
                .limits(limits)
                .build()
                .unwrap()
        };
        let first = Program::open(endless.base(), &OpenOptions::default())
            .await
            .unwrap();
        let second = Program::open(honest.base(), &OpenOptions::default())
            .await
            .unwrap();
        let (bad, good) = (runtime(wall(), &first), runtime(Limits::default(), &second));
        let (bad, good) = tokio::join!(bad.run(first.graph(), &[]), good.run(second.graph(), &[]));
        assert!(matches!(
            bad.unwrap().exit,
            Exit::Limit(LimitHit {
                limit: Limit::Wall(_),
                ..
            })
        ));
        assert!(matches!(good.unwrap().exit, Exit::Completed));

        let stopped = runtime(Limits::default(), &first);
        let stop = stopped.stop_handle();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            stop.stop();
        });
        let outcome = stopped.run(first.graph(), &[]).await.unwrap();
        assert!(matches!(outcome.exit, Exit::Stopped), "{:?}", outcome.exit);
    });
}

#[test]
fn limits_that_cannot_be_enforced_are_refused() {
    let scene = Scene::of_main(&[], "");
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let program = reactor
        .block_on(Program::open(scene.base(), &OpenOptions::default()))
        .unwrap();
    let build = |limits| {
        Runtime::builder()
            .base(program.base())
            .shared_store(program.store())
            .limits(limits)
            .build()
    };
    assert!(
        build(Limits {
            heap: Limits::SMALLEST_HEAP - 1,
            ..Limits::default()
        })
        .is_err()
    );
    assert!(
        build(Limits {
            heap: Limits::SMALLEST_HEAP,
            ..Limits::default()
        })
        .is_ok()
    );
}

/// Runs a program whose package `p` may read `data/` and has these `quotas`. The program has the quotas `of_program`.
fn quota_run(package: &str, main: &str, quotas: Quotas, of_program: Quotas) -> crate::support::Ran {
    let manifest = "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\n[grants]\nfs.read = [\"./data/**\"]\nclock = \"1ms\"\nkv.read = [\"*\"]\n[packages.p.grants]\nfs.read = [\"./data/**\"]\nclock = \"1ms\"\nkv.read = [\"*\"]\n";
    let of_package = PackageLimits {
        quotas,
        ..PackageLimits::default()
    };
    Scene::new()
        .file("secure.toml", manifest)
        .file("p/index.js", package)
        .file("data/a.txt", "0123456789")
        .file("main.js", main)
        .limits(Limits {
            wall: Some(Duration::from_secs(600)),
            quotas: of_program,
            packages: [("p".to_owned(), of_package)].into(),
            ..Limits::default()
        })
        .run(&[])
}

/// RUN-55, RUN-56: if a package exceeds its quota, only that package is refused. The message names the owner and the
/// value of the quota. Operations within the quota succeed.
#[test]
fn a_quota_stops_the_package_that_has_it() {
    let none = Quotas::default;
    let cases = [
        (
            Quotas {
                operations: Some(20),
                ..none()
            },
            "for (let i = 0; i < 20; i++) clock.now();",
            "for (let i = 0; i < 500; i++) clock.now();",
            "limit of 20 operations a second",
        ),
        (
            Quotas {
                handles: Some(2),
                ..none()
            },
            "for (let i = 0; i < 9; i++) { const f = await fs.open('data/a.txt'); f.close(); }",
            "const open = []; for (let i = 0; i < 3; i++) open.push(await fs.open('data/a.txt'));",
            "limit of 2 open handles",
        ),
        (
            Quotas {
                pending: Some(4),
                ..none()
            },
            "for (let i = 0; i < 9; i++) await Promise.all([fs.stat('data/a.txt'), fs.stat('data/a.txt')]);",
            "const all = []; for (let i = 0; i < 2000; i++) all.push(fs.stat('data/a.txt')); await Promise.all(all);",
            "limit of 4 pending operations",
        ),
        (
            Quotas {
                output: Some(100),
                ..none()
            },
            "console.log('a');",
            "for (let i = 0; i < 100; i++) console.log('a');",
            "output limit of 100 B",
        ),
        (
            Quotas {
                read: Some(25),
                ..none()
            },
            "await fs.readFile('data/a.txt'); await fs.readTextFile('data/a.txt');",
            "await fs.readFile('data/a.txt'); await fs.readTextFile('data/a.txt'); const f = await fs.open('data/a.txt'); await f.read(new Uint8Array(9));",
            "limit of 25 B read",
        ),
    ];
    for (quotas, within, beyond, message) in cases {
        let package = format!(
            "import {{ clock, fs }} from 'cap:self';
            export const within = async () => {{ {within} }};
            export const beyond = async () => {{ {beyond} }};
            export const after = async () => {{ await fs.stat('data/a.txt'); }};"
        );
        let main = "import { within, beyond, after } from 'p';
            import { fs } from 'cap:self';
            await within();
            const tried = async (call) => { try { await call(); return 'went through'; } catch (e) { return `${e.name} ${e.code} ${e.message.split(': ').pop()}`; } };
            console.log(await tried(beyond));
            console.log(await tried(after));
            console.log(await tried(() => fs.stat('data/a.txt')));";
        let ran = quota_run(&package, main, quotas.clone(), none()).completed();
        let lines: Vec<&str> = ran.out.lines().rev().take(3).collect();
        let refused = format!("CapabilityError limit package p hit its {message}");
        assert_eq!(
            lines,
            ["went through", &refused, &refused],
            "{message}: {}",
            ran.out
        );
        // If the program exceeds its own quota of the same kind, it ends.
        let main = "import { beyond } from 'p'; try { await beyond(); } catch {} for (;;) await new Promise((r) => setTimeout(r, 10));";
        let ran = quota_run(&package, main, none(), quotas);
        match ran.exit {
            Ok(Exit::Limit(hit)) => assert_eq!(hit.to_string(), format!("the program hit its {message}")),
            other => panic!("{message}: {other:?}"),
        }
    }
}

/// RUN-55: an uncaught quota error ends the program with the limit, not as a denial.
#[test]
fn an_uncaught_quota_is_a_limit() {
    let quotas = Quotas {
        operations: Some(3),
        ..Quotas::default()
    };
    let package = "import { clock } from 'cap:self'; export const go = () => { for (;;) clock.now(); };";
    let ran = quota_run(
        package,
        "import { go } from 'p'; go();",
        quotas,
        Quotas::default(),
    );
    match ran.exit {
        Ok(Exit::Limit(hit)) => {
            assert_eq!(hit.unit, LimitScope::Package("p".to_owned()));
            assert_eq!(hit.limit, Limit::Operations(3));
        }
        other => panic!("{other:?}"),
    }
}

/// RUN-55: timers are counted while they are set. A timer that fires or is cleared no longer counts.
#[test]
fn timers_are_counted_while_they_are_set() {
    let limits = || Limits {
        quotas: Quotas {
            timers: Some(10),
            ..Quotas::default()
        },
        ..Limits::default()
    };
    let fine = "for (let i = 0; i < 50; i++) { clearTimeout(setTimeout(() => {}, 1000)); clearInterval(setInterval(() => {}, 1000)); }
        for (let i = 0; i < 30; i++) await new Promise((r) => setTimeout(r, 0));
        const t = setTimeout(() => {}, 0); clearTimeout(t); clearTimeout(t); clearTimeout(t);
        for (let i = 0; i < 10; i++) setTimeout(() => {}, 0);";
    let exit = with(fine, limits());
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
    let exit = with("for (;;) setTimeout(() => {}, 1000);", limits());
    assert!(
        matches!(
            exit,
            Exit::Limit(LimitHit {
                limit: Limit::Timers(10),
                ..
            })
        ),
        "{exit:?}"
    );
}

/// A text that does not fit into the heap ends the program with the heap limit, or is an error with that message. It
/// never causes a fault of the engine.
#[test]
fn a_file_larger_than_the_heap_is_not_an_engine_fault() {
    for read in [
        "await fs.readTextFile('large.txt');",
        "await Promise.all([1, 2, 3, 4].map(() => fs.readTextFile('medium.txt')));",
    ] {
        let source = format!(
            "import {{ fs }} from 'cap:self'; let said = 'read'; try {{ {read} }} catch (error) {{ said = error.name; }} console.log(said);"
        );
        let limits = Limits {
            heap: 16 << 20,
            ..Limits::default()
        };
        let ran = Scene::of_main(&["fs.read=./**"], &source)
            .file("large.txt", "x".repeat(40 << 20))
            .file("medium.txt", "é".repeat(3 << 20))
            .limits(limits)
            .run(&[]);
        match &ran.exit {
            Ok(Exit::Completed) => assert!(
                ["read\n", "RangeError\n"].contains(&ran.out.as_str()),
                "{read}: {ran:#?}"
            ),
            Ok(Exit::Limit(hit)) => assert_eq!(hit.limit, Limit::Heap(16 << 20), "{read}"),
            other => panic!("{read}: {other:?}"),
        }
    }
}
