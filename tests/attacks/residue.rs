//! Residue: one run leaves nothing that a later run can find, and no code of a terminated run continues.

use secure_runtime::{Engine, Exit, Limit, LimitHit, Limits, OpenOptions, Program, Runtime};

use crate::support::{Scene, manifest};

/// A90: a run may change global objects, register objects and store values in its modules. The next run of the same
/// program by the same runtime sees none of it.
#[test]
fn a90_a_run_finds_no_data_of_the_previous_run() {
    let packages = "[imports]\nsuspect = \"./suspect/\"\n[packages.suspect]\ngrants = {}\n";
    let scene = Scene::new()
        .file("secure.toml", manifest(&["kv.read=*", "kv.write=*"], packages))
        .file("main.js", "export { default } from \"suspect\";")
        .file(
            "suspect/index.js",
            "import data from \"./data.json\" with { type: \"json\" };
            let count = 0;
            const key = Symbol.for(\"mark\");
            export default async function main() {
              const found = [globalThis.mark, globalThis[key], data.mark, count, import.meta.mark, (await import(\"./other.js\")).state.mark];
              if (found.some((mark) => mark)) throw new Error(String(found));
              count++;
              globalThis.mark = globalThis[key] = data.mark = 1;
              try { import.meta.mark = 1; } catch {}
              (await import(\"./other.js\")).state.mark = 1;
              if (globalThis.mark !== 1 || data.mark !== 1 || count !== 1) throw new Error(\"nothing can be marked\");
            }",
        )
        .file("suspect/other.js", "export const state = {};")
        .file("suspect/data.json", "{}");
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
        for turn in 0..3 {
            let outcome = runtime.run(program.graph(), &[]).await.unwrap();
            assert!(
                matches!(outcome.exit, Exit::Completed),
                "turn {turn}: {outcome:?}"
            );
        }
    });
}

/// A87: if memory runs out during a victim's update, no code of the program runs afterwards. This includes `catch`,
/// `finally`, timers and other modules.
///
/// QuickJS throws an error at this point, so the limit applies there, but this promise does not.
#[test]
fn a87_after_the_heap_limit_nothing_of_the_program_runs() {
    let source = "const balance = { from: 100, to: 0 };
        const transfer = (amount, before) => { balance.from -= amount; before(); balance.to += amount; };
        setTimeout(() => console.log('timer', balance.from + balance.to), 0);
        const exhaust = () => { const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length + 0.5)); };
        console.log('before');
        try { transfer(5, exhaust); } catch { console.log('caught'); } finally { console.log('finally'); }
        console.log('after', balance.from + balance.to);";
    let limits = Limits {
        heap: 48 << 20,
        ..Limits::default()
    };
    let ran = Scene::of_main(&[], source).limits(limits).run(&[]);
    if Engine::current() == Engine::QuickJs {
        return assert!(
            !matches!(ran.exit, Ok(Exit::Completed)) || ran.out.contains("caught"),
            "{ran:#?}"
        );
    }
    let at_the_heap = matches!(
        ran.exit,
        Ok(Exit::Limit(LimitHit {
            limit: Limit::Heap(_),
            ..
        }))
    );
    assert!(at_the_heap, "{ran:#?}");
    assert_eq!(ran.out, "before\n");
    // The control: without reaching the limit, all of this code runs.
    let ran = Scene::of_main(&[], &source.replace("for (;;)", ""))
        .run(&[])
        .completed();
    assert_eq!(ran.out, "before\nfinally\nafter 100\ntimer 100\n");
}
