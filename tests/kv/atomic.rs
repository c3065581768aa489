//! `getEntry` and `atomic`.

use std::sync::Arc;

use secure_runtime::{KvStore, MemoryKvStore};

use super::{ALL, Recording, key, telling, text};

/// RUN-110
#[test]
fn a_commit_needs_the_versions_that_were_read() {
    let source = r#"
        const absent = await kv.getEntry("a");
        await tell("absent", () => [absent.key, absent.value === undefined, absent.versionstamp]);
        await tell("created", () => kv.atomic().check(absent).set("a", "one").set("b", new Uint8Array([1])).commit());
        await tell("created again", () => kv.atomic().check(absent).set("a", "two").commit());
        const [a, b] = [await kv.getEntry("a"), await kv.getEntry("b")];
        await tell("entry", () => [a.key, a.value, b.value instanceof Uint8Array, a.versionstamp === b.versionstamp]);
        await kv.set("a", "one");
        await tell("changed", () => kv.atomic().check(b, a).delete("b").commit());
        await tell("b", async () => (await kv.getEntry("b")).versionstamp === b.versionstamp);
        await tell("unchanged", () => kv.atomic().check(b).delete("b").set("c", "").commit());
        await tell("left", () => list());
        await tell("checks", async () => [await kv.atomic().check(b).commit(), await kv.atomic().check({ key: "b", versionstamp: null }).commit()]);
        await tell("nothing", () => kv.atomic().commit());
        // A commit can be made again, and is one operation among the others.
        const count = kv.atomic().set("d", "1");
        await Promise.all([kv.set("d", "0"), count.commit(), kv.set("e", "0"), kv.atomic().delete("e").commit()]);
        await tell("order", async () => [await kv.get("d"), await kv.get("e") ?? null]);
        const raced = await kv.getEntry("d");
        const both = await Promise.all(["x", "y"].map((value) => kv.atomic().check(raced).set("d", value).commit()));
        await tell("raced", () => both);
        await tell("winner", () => kv.get("d"));"#;
    let out = telling(ALL, source).run(&[]).completed().out;
    let expected = [
        r#"absent: ["a",true,null]"#,
        r#"created: {"ok":true}"#,
        r#"created again: {"ok":false}"#,
        r#"entry: ["a","one",true,true]"#,
        r#"changed: {"ok":false}"#,
        "b: true",
        r#"unchanged: {"ok":true}"#,
        r#"left: ["a","c"]"#,
        r#"checks: [{"ok":false},{"ok":true}]"#,
        r#"nothing: {"ok":true}"#,
        r#"order: ["1",null]"#,
        r#"raced: [{"ok":true},{"ok":false}]"#,
        r#"winner: "x""#,
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
}

/// RUN-111: each part is decided before the store is called, and one denial refuses all.
#[test]
fn one_denied_key_refuses_the_whole_commit() {
    let store = Recording::new();
    store.store.set(&key("secret"), text("x")).unwrap();
    store.store.set(&key("w/1"), text("x")).unwrap();
    let source = r#"
        const absent = (key) => ({ key, versionstamp: null });
        const stamp = "0".repeat(32);
        await tell("allowed", () => kv.atomic().check(absent("r/1")).set("w/2", "x").delete("w/3").commit());
        await tell("set", () => kv.atomic().set("w/4", "x").set("r/1", "x").commit());
        await tell("delete", () => kv.atomic().set("w/4", "x").delete("secret").commit());
        await tell("first", () => kv.atomic().set("secret", "x").set("w/4", "x").commit());
        // A check may not tell if there is an entry, or which version it has.
        await tell("check", () => kv.atomic().check(absent("secret")).set("w/4", "x").commit());
        await tell("check of a written key", () => kv.atomic().check(absent("w/1")).set("w/1", "x").commit());
        await tell("version", () => kv.atomic().check({ key: "w/1", versionstamp: stamp }).set("w/1", "x").commit());
        await tell("failing check first", () => kv.atomic().check({ key: "r/1", versionstamp: stamp }, absent("secret")).set("w/4", "x").commit());
        await tell("only checks", () => kv.atomic().check(absent("r/1"), absent("secret")).commit());
        await tell("first check", () => kv.atomic().check(absent("secret")).commit());
        await tell("entry", () => kv.getEntry("w/1"));
        const narrower = kv.attenuate({ write: ["w/2*"] });
        await tell("narrower", () => narrower.atomic().set("w/2", "y").set("w/3", "y").commit());
        const { capability, revoke } = kv.revocable();
        const begun = capability.atomic().set("w/2", "z");
        revoke();
        await tell("revoked", () => begun.commit());"#;
    let ran = telling(&["kv.read=r/*", "kv.write=w/*"], source)
        .kv(store.clone())
        .run(&[])
        .completed();
    let expected = [
        r#"allowed: {"ok":true}"#,
        "set: denied",
        "delete: denied",
        "first: denied",
        "check: denied",
        "check of a written key: denied",
        "version: denied",
        "failing check first: denied",
        "only checks: denied",
        "first check: denied",
        "entry: denied",
        "narrower: denied",
        "revoked: revoked",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    assert_eq!(store.calls(), ["commit w/2 w/3"]);
    assert_eq!(store.store.get(&key("w/2")), Ok(Some(text("x"))));
    let decisions = ran.decisions();
    assert_eq!(
        &decisions[..5],
        [
            "allowed kv write w/2",
            "allowed kv read r/1",
            "allowed kv write w/3",
            "allowed kv write w/4",
            "denied kv write r/1",
        ]
    );
    assert!(decisions.contains(&"denied kv read w/1".to_owned()));
}

/// RUN-111: a wrong commit decides nothing and changes nothing.
#[test]
fn wrong_commits_are_rejected_as_a_whole() {
    let store = Recording::new();
    let source = r#"
        const wrong = {
          "no key": () => kv.atomic().set(),
          "key": () => kv.atomic().set("", "x").commit(),
          "nul": () => kv.atomic().set("a", "x").delete("\0").commit(),
          "surrogate": () => kv.atomic().delete("\ud800"),
          "value": () => kv.atomic().set("a", 1),
          "large": () => kv.atomic().set("a", "x").set("b", "x".repeat(65537)).commit(),
          "no check": () => kv.atomic().check(undefined),
          "no version": () => kv.atomic().check({ key: "a" }),
          "number": () => kv.atomic().check({ key: "a", versionstamp: 0 }),
          "bad version": () => kv.atomic().check({ key: "a", versionstamp: "0" }).set("a", "x").commit(),
          "upper case": () => kv.atomic().check({ key: "a", versionstamp: "A".repeat(32) }).commit(),
          "many checks": () => { const commit = kv.atomic().set("a", "x"); for (let i = 0; i < 101; i++) commit.check({ key: "a", versionstamp: null }); return commit.commit(); },
          "many changes": () => { const commit = kv.atomic(); for (let i = 0; i < 1001; i++) commit.delete("a"); return commit.commit(); },
          "many bytes": () => { const commit = kv.atomic(); for (let i = 0; i < 17; i++) commit.set("a", new Uint8Array(65536)); return commit.commit(); },
          "this": () => kv.atomic().set.call({}, "a", "x"),
          "proxy": () => kv.atomic().set.call(new Proxy(kv.atomic(), {}), "a", "x"),
        };
        for (const [name, call] of Object.entries(wrong)) await tell(name, call);
        const half = kv.atomic().set("half", "x");
        await tell("half", () => half.check({ key: "a", versionstamp: null }, {}));
        await tell("most", async () => {
          const commit = kv.atomic();
          for (let i = 0; i < 100; i++) commit.check({ key: "absent", versionstamp: null });
          for (let i = 0; i < 1000; i++) commit.set(`m/${i}`, "x".repeat(1000));
          return commit.commit();
        });"#;
    let ran = telling(ALL, source).kv(store.clone()).run(&[]).completed();
    let kinds = |line: &str| line.split_once(": ").map(|(_, kind)| kind.to_owned());
    let kinds: Vec<_> = ran.out.lines().filter_map(kinds).collect();
    let (most, wrong) = kinds.split_last().unwrap();
    assert_eq!(most, r#"{"ok":true}"#, "{}", ran.out);
    for (line, kind) in ran.out.lines().zip(wrong) {
        let is_range = ["large", "many"].iter().any(|name| line.starts_with(name));
        assert_eq!(kind, if is_range { "RangeError" } else { "TypeError" }, "{line}");
    }
    assert_eq!(wrong.len(), 17);
    let calls = store.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(ran.decisions()[0], "allowed kv write m/0");
}

/// RUN-111: objects of the guest are read once, so that the decided values are the used ones.
#[test]
fn option_bags_and_checks_are_read_once() {
    let store = Recording::new();
    let source = r#"
        let reads = 0;
        const turning = { get key() { return reads++ === 0 ? "r/1" : "secret"; }, versionstamp: null, get then() { console.log("then was read"); } };
        await tell("getter", () => kv.atomic().check(turning).set("w/1", "x").commit());
        console.log(reads);
        const log = [];
        const proxy = new Proxy({ expireIn: 5, prefix: "secret" }, {
          getOwnPropertyDescriptor(target, name) { log.push(`has ${String(name)}`); return Reflect.getOwnPropertyDescriptor(target, name); },
          get(target, name) { log.push(`get ${String(name)}`); return target[name]; },
        });
        await tell("proxy", () => kv.atomic().set("w/2", "x", proxy).commit());
        await tell("set", () => kv.set("w/2", "x", proxy));
        console.log(log.join());
        const bytes = new Uint8Array([1]);
        const commit = kv.atomic().set("w/3", bytes);
        bytes[0] = 2;
        await commit.commit();
        await tell("inherited", () => kv.atomic().check(Object.create({ key: "r/1", versionstamp: null })).commit());
        const entry = Object.freeze({ key: "r/1", value: { get x() { throw 1; } }, versionstamp: null });
        await tell("entry", () => kv.atomic().check(entry).commit());
        await tell("stolen", () => Object.getOwnPropertyNames(kv.atomic()));"#;
    let ran = telling(&["kv.read=r/*", "kv.write=w/*"], source)
        .kv(store.clone())
        .run(&[])
        .completed();
    let expected = [
        r#"getter: {"ok":true}"#,
        "1",
        r#"proxy: {"ok":true}"#,
        "set: undefined",
        "has expireIn,get expireIn,has expireIn,get expireIn",
        "inherited: TypeError",
        r#"entry: {"ok":true}"#,
        "stolen: []",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        store.store.get(&key("w/3")),
        Ok(Some(secure_runtime::KvValue::Bytes(vec![1])))
    );
    assert!(
        ran.decisions()
            .iter()
            .all(|decision| !decision.contains("secret"))
    );
}

/// RUN-110: two programs that share a store.
#[test]
fn commits_of_several_programs_do_not_lose_changes() {
    let store = Arc::new(MemoryKvStore::default());
    let source = r#"
        for (let done = 0; done < 50;) {
          const entry = await kv.getEntry("count");
          const next = String(Number(entry.value ?? 0) + 1);
          if ((await kv.atomic().check(entry).set("count", next).commit()).ok) done++;
        }"#;
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| telling(ALL, source).kv(store.clone()).run(&[]).completed());
        }
    });
    assert_eq!(store.get(&key("count")), Ok(Some(text("100"))));
}
