//! `watch`.

use std::sync::Arc;

use secure_runtime::{KvStore, Limits, MemoryKvStore, Quotas};

use super::{ALL, Recording, key, telling, text};

/// RUN-114
#[test]
fn a_watch_yields_the_entry_and_each_change() {
    let source = r#"
        const next = async (watch) => { const { value, done } = await watch.next(); return done ? "done" : value?.value ?? null; };
        const watch = kv.watch("a");
        await tell("absent", () => next(watch));
        const waiting = next(watch);
        await kv.set("b", "other");
        await kv.set("a", "one");
        await tell("one", () => waiting);
        // Changes that were not asked for count as one.
        for (let index = 0; index < 50; index++) await kv.set("a", String(index));
        await tell("last", () => next(watch));
        await kv.set("host", "by the host");
        await tell("host", () => next(watch));
        await kv.delete("a");
        await tell("deleted", () => next(watch));
        await kv.atomic().set("a", "atomic").set("b", "x").commit();
        await tell("atomic", () => next(watch));
        // The same value is another version.
        await kv.set("a", "atomic");
        await tell("again", () => next(watch));
        // Calls wait for each other.
        const both = [next(watch), next(watch)];
        await kv.set("a", "first");
        await tell("first", () => both[0]);
        await kv.set("a", "second");
        await tell("second", () => both[1]);
        await tell("return", () => watch.return("x"));
        await tell("after", () => next(watch));
        const several = kv.watch(["a", "c"]);
        const values = ({ value }) => value.map((entry) => `${entry.key}=${entry.value}`).join(" ");
        await tell("several", async () => values(await several.next()));
        await kv.atomic().set("a", "x").set("c", "y").commit();
        await tell("both changed", async () => values(await several.next()));
        await several.return();
        let seen = 0;
        for await (const { value } of kv.watch("a")) {
          if (value === "3") break;
          await kv.set("a", String(seen++));
        }
        await tell("loop", () => seen);"#;
    let ran = telling(ALL, source).kv(Recording::new()).run(&[]).completed();
    let expected = [
        "absent: null",
        "one: \"one\"",
        "last: \"49\"",
        "host: \"by the host\"",
        "deleted: null",
        "atomic: \"atomic\"",
        "again: \"atomic\"",
        "first: \"first\"",
        "second: \"second\"",
        "return: {\"value\":\"x\",\"done\":true}",
        "after: \"done\"",
        "several: \"a=second c=undefined\"",
        "both changed: \"a=x c=y\"",
        "loop: 4",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}

/// RUN-114
#[test]
fn return_ends_calls_that_wait() {
    let source = r#"
        const watch = kv.watch("a");
        await watch.next();
        const waiting = [watch.next(), watch.next()];
        await kv.set("b", "x");
        await tell("return", () => watch.return());
        await tell("waiting", () => Promise.all(waiting));
        await tell("again", () => watch.return());
        await tell("after", () => watch.next());"#;
    let ran = telling(ALL, source).run(&[]).completed();
    let expected = [
        "return: {\"done\":true}",
        "waiting: [{\"done\":true},{\"done\":true}]",
        "again: {\"done\":true}",
        "after: {\"done\":true}",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}

/// RUN-114, RUN-112
#[test]
fn a_watch_yields_the_end_of_an_entry() {
    let source = r#"
        await kv.set("a", "one", { expireIn: 1000 });
        const watch = kv.watch("a");
        await tell("one", async () => (await watch.next()).value.value);
        const waiting = watch.next();
        await kv.set("pass", "999");
        await kv.set("b", "x");
        await kv.set("pass", "1");
        await tell("expired", async () => (await waiting).value.versionstamp);"#;
    let ran = telling(ALL, source).kv(Recording::new()).run(&[]).completed();
    assert_eq!(ran.out, "one: \"one\"\nexpired: null\n");
    // With the clock of the system, nothing but the end of the time wakes it.
    let source = r#"
        await kv.set("a", "one", { expireIn: 20 });
        for await (const entry of kv.watch("a")) if (entry.value === undefined) break;
        console.log("expired");"#;
    let ran = telling(ALL, source).run(&[]).completed();
    assert_eq!(ran.out, "expired\n");
}

/// RUN-115: each key is decided, also after the call has waited.
#[test]
fn a_watch_needs_the_right_to_read_each_key() {
    let store = Recording::new();
    store.store.set(&key("secret"), text("x")).unwrap();
    let source = r#"
        await tell("allowed", async () => (await kv.watch(["r/1", "r/2"]).next()).value.length);
        await tell("outside", () => kv.watch("secret").next());
        await tell("second", () => kv.watch(["r/1", "secret"]).next());
        await tell("written", () => kv.watch("w/1").next());
        const { capability, revoke } = kv.revocable();
        const [watch, waiting, pair] = [capability.watch("r/1"), capability.watch("r/2"), capability.watch(["r/1", "r/2"])];
        for (const each of [watch, waiting, pair]) await each.next();
        const pending = [waiting.next(), pair.next()];
        for (const each of pending) each.catch(() => {});
        revoke();
        await kv.set("w/2", "x");
        for (const each of pending) await tell("waiting", () => each);
        await tell("revoked", () => watch.next());
        await tell("after", () => watch.next());
        const narrower = kv.attenuate({ read: ["r/1"] });
        await tell("narrower", () => narrower.watch(["r/1", "r/2"]).next());
        await tell("this", () => watch.next.call({}));"#;
    let ran = telling(&["kv.read=r/*", "kv.write=w/*"], source)
        .kv(store.clone())
        .run(&[])
        .completed();
    let expected = [
        "allowed: 2",
        "outside: denied",
        "second: denied",
        "written: denied",
        "waiting: revoked",
        "waiting: revoked",
        "revoked: revoked",
        "after: {\"done\":true}",
        "narrower: denied",
        "this: TypeError",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    let calls = store.calls();
    assert!(
        calls
            .iter()
            .all(|call| !call.contains("secret") && call != "entries w/1"),
        "{calls:?}"
    );
}

/// RUN-115
#[test]
fn watches_are_bounded() {
    let source = r#"
        for (const keys of [[], Array(11).fill("a"), { length: 1 }, 1, null, undefined, [1], ["a", "\ud800"], ["\0"], new Proxy([], { get: () => 1e9 })]) {
          await tell("wrong", () => kv.watch(keys));
        }
        await tell("most", async () => (await kv.watch(Array(10).fill("a")).next()).value.length);
        // A watch that was ended does not count.
        for (let index = 0; index < 50; index++) await kv.watch("a").return();
        const open = [];
        for (;;) open.push(kv.watch("a"));"#;
    let scene = telling(ALL, source).limits(Limits {
        quotas: Quotas {
            handles: Some(20),
            ..Quotas::default()
        },
        ..Limits::default()
    });
    let ran = scene.run(&[]);
    let expected = [
        "wrong: RangeError",
        "wrong: RangeError",
        "wrong: TypeError",
        "wrong: TypeError",
        "wrong: TypeError",
        "wrong: TypeError",
        "wrong: TypeError",
        "wrong: TypeError",
        "wrong: TypeError",
        "wrong: RangeError",
        "most: 10",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    let end = format!("{:?}", ran.exit);
    assert!(end.contains("Handles(20)"), "{end}");
}

/// RUN-115: without a quota, the memory of the isolate is the bound.
#[test]
fn watches_count_as_memory() {
    let source = r#"
        const open = [];
        await tell("open", async () => { for (;;) open.push(kv.watch("a")); });
        await tell("many", () => open.length > 100);"#;
    let scene = telling(ALL, source).limits(Limits {
        heap: 32 << 20,
        ..Limits::default()
    });
    let ran = scene.run(&[]);
    assert_eq!(ran.out, "open: RangeError\nmany: true\n", "{ran:#?}");
}

/// RUN-115: a watch that nobody ended ends with the program, and leaves nothing in the store.
#[test]
fn the_end_of_a_program_ends_its_watches() {
    let store = Arc::new(MemoryKvStore::default());
    let source = r#"
        const open = [kv.watch("a"), kv.watch(["a", "b"])];
        for (const watch of open) await watch.next();
        await kv.set("a", "x");
        await tell("open", () => open.length);"#;
    let ran = telling(ALL, source).kv(store.clone()).run(&[]).completed();
    assert_eq!(ran.out, "open: 2\n");
    store.set(&key("a"), text("y")).unwrap();
    assert_eq!(store.get(&key("a")), Ok(Some(text("y"))));
}
