//! Entries that expire, as guests see them.

use super::{ALL, Recording, telling};

/// RUN-112
#[test]
fn an_expired_entry_is_not_seen() {
    let source = r#"
        const pass = (time) => kv.set("pass", String(time));
        const seen = () => tell("seen", async () => {
          const entries = [];
          for await (const { key } of kv.entries()) entries.push(key);
          return [await kv.get("a") ?? null, await list(), entries, (await kv.getEntry("a")).versionstamp === null];
        });
        await kv.set("a", "one", { expireIn: 1000 });
        await kv.set("b", "one");
        const first = await kv.getEntry("a");
        await pass(999);
        await seen();
        await pass(1);
        await seen();
        await tell("check", () => kv.atomic().check(first).set("c", "").commit());
        await tell("absent", () => kv.atomic().check({ key: "a", versionstamp: null }).set("a", "two", { expireIn: 5 }).commit());
        await seen();
        await kv.set("a", "three");
        await pass(1e9);
        await seen();
        await tell("most", () => kv.set("a", "four", { expireIn: Number.MAX_SAFE_INTEGER }));
        await tell("undefined", () => kv.set("b", "two", { expireIn: undefined }));
        await pass(1e9);
        await seen();
        for (const expireIn of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) await tell("range", () => kv.set("d", "", { expireIn }));
        for (const expireIn of [null, "5", 5n, {}, true]) await tell("type", () => kv.set("d", "", { expireIn }));
        await tell("atomic", () => kv.atomic().set("a", "five").set("d", "", { expireIn: 0 }).commit());
        await tell("bag", () => kv.set("d", "", 5));
        await seen();"#;
    let ran = telling(ALL, source).kv(Recording::new()).run(&[]).completed();
    let mut expected = vec![
        r#"seen: ["one",["a","b"],["a","b"],false]"#,
        r#"seen: [null,["b"],["b"],true]"#,
        r#"check: {"ok":false}"#,
        r#"absent: {"ok":true}"#,
        r#"seen: ["two",["a","b"],["a","b"],false]"#,
        r#"seen: ["three",["a","b"],["a","b"],false]"#,
        "most: undefined",
        "undefined: undefined",
        r#"seen: ["four",["a","b"],["a","b"],false]"#,
    ];
    expected.extend(["range: RangeError"; 6]);
    expected.extend(["type: TypeError"; 5]);
    expected.extend([
        "atomic: RangeError",
        "bag: TypeError",
        r#"seen: ["four",["a","b"],["a","b"],false]"#,
    ]);
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}

/// RUN-112: without the right to read, an entry's time reveals nothing. With it, it reveals no time of day.
#[test]
fn the_time_of_an_entry_is_seen_only_by_reading() {
    let source = r#"
        await kv.set("w/1", "x", { expireIn: 5 });
        const before = await kv.set("w/1", "x");
        await kv.set("pass", "10");
        await tell("written", async () => [await kv.delete("w/1"), await kv.atomic().set("w/1", "x", { expireIn: 1 }).commit(), before]);
        await tell("get", () => kv.get("w/1"));
        await tell("check", () => kv.atomic().check({ key: "w/1", versionstamp: null }).set("w/1", "x").commit());
        await tell("watch", () => kv.watch("w/1").next());
        await kv.set("a", "x", { expireIn: 5 });
        await tell("entry", async () => Object.keys(await kv.getEntry("a")));"#;
    let ran = telling(&["kv.read=a", "kv.write=*"], source)
        .kv(Recording::new())
        .run(&[])
        .completed();
    let expected = [
        r#"written: [null,{"ok":true},null]"#,
        "get: denied",
        "check: denied",
        "watch: denied",
        r#"entry: ["key","value","versionstamp"]"#,
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}
