//! Limits: what one run may use, and that hitting one ends that run and nothing else.

use std::time::Duration;

use secure_runtime::{Exit, Limit, LimitHit, Limits, OpenOptions, Program, Runtime};

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

/// RUN-40: each way to go on for ever ends with the wall limit.
#[test]
fn the_wall_limit_ends_what_does_not_end() {
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
    assert!(matches!(
        with("for (let i = 0; i < 1000; i++);", wall()),
        Exit::Completed
    ));
}

/// RUN-41: waiting costs no processor time, computing does.
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

/// RUN-42: memory of every kind is bounded; the process lives on.
#[test]
fn the_heap_limit_holds_for_every_kind_of_memory() {
    let limits = || Limits {
        heap: 48 << 20,
        wall: Some(Duration::from_secs(50)),
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
            // An engine may also refuse one allocation that can never fit.
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

/// RUN-44: what exhausts the stack is an error of the guest, or no error; never the end of the process.
#[test]
fn deep_recursion_is_an_error_of_the_guest() {
    let limits = || Limits {
        wall: Some(Duration::from_secs(30)),
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

/// RUN-43: one program that hits its limit leaves others of the same process alone, and a host can stop a program.
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
fn limits_that_cannot_be_held_are_refused() {
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
