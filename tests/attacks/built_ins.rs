//! Built-in functions that do not react to a termination. The caller of the run gets a result nevertheless, and other
//! programs continue.

use std::time::Duration;

use secure_runtime::{Exit, Limit, LimitHit, Limits};

use crate::support::Scene;

fn run(source: &str, heap: u64, wall: Duration) -> Exit {
    let limits = Limits {
        heap,
        wall: Some(wall),
        ..Limits::default()
    };
    let exit = Scene::of_main(&[], source).limits(limits).run(&[]).exit.unwrap();
    let healthy = Scene::of_main(&[], "console.log(1 + 1);").run(&[]).completed();
    assert_eq!(healthy.out, "2\n");
    exit
}

/// RUN-45: the run completes although its thread does not end.
#[test]
fn a86_a_loop_inside_the_engine_ends_with_the_wall_limit() {
    for source in [
        "Array.prototype.lastIndexOf.call({ length: 2 ** 28 }, 1);",
        "await null; Array.prototype.reverse.call({ length: 2 ** 28 });",
        "export default () => Array.prototype.shift.call({ length: 2 ** 28 });",
    ] {
        let exit = run(source, 64 << 20, Duration::from_millis(300));
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
}

#[test]
fn a86_a_long_built_in_that_takes_memory_ends_with_a_limit() {
    for source in [
        "new Array(2 ** 26).fill(0);",
        "Array.from({ length: 2 ** 32 - 1 });",
        "const list = []; list.length = 2 ** 32 - 1; list.fill(1);",
    ] {
        let exit = run(source, 32 << 20, Duration::from_secs(5));
        assert!(matches!(exit, Exit::Limit(_)), "{source}: {exit:?}");
    }
}
