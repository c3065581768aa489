//! `list` and `entries` of ranges.

use std::sync::Arc;

use secure_runtime::{KvStore, MemoryKvStore};

use super::{ALL, Recording, key, telling, text};

const KEYS: &str = "
    const keys = async (options, of = kv) => { const all = []; for await (const key of of.list(options)) all.push(key); return all.join(' '); };
    const entries = async (options) => { const all = []; for await (const entry of kv.entries(options)) all.push(entry); return all; };
";

fn store(names: &[&str]) -> Arc<MemoryKvStore> {
    let store = Arc::new(MemoryKvStore::default());
    for name in names {
        store.set(&key(name), text(name)).unwrap();
    }
    store
}

/// RUN-113
#[test]
fn a_list_has_a_range_a_direction_a_limit_and_a_cursor() {
    let store = store(&["a", "b", "b/", "b/1", "b/2", "b/3", "b0", "c", "\u{e9}"]);
    let source = r#"
        await tell("prefix", () => keys({ prefix: "b/" }));
        await tell("start", () => keys({ start: "b/2" }));
        await tell("end", () => keys({ end: "b/2" }));
        await tell("both", () => keys({ start: "b", end: "b/2" }));
        await tell("prefix and start", () => keys({ prefix: "b/", start: "b/2" }));
        await tell("prefix and end", () => keys({ prefix: "b/", end: "b/2" }));
        await tell("other prefix", () => keys({ prefix: "b/", start: "c" }));
        await tell("reverse", () => keys({ reverse: true }));
        await tell("reverse and prefix", () => keys({ prefix: "b/", reverse: true }));
        await tell("limit", () => keys({ limit: 2 }));
        await tell("reverse and limit", () => keys({ limit: 2, reverse: true }));
        await tell("cursor", () => keys({ cursor: "b/1", limit: 3 }));
        await tell("reverse and cursor", () => keys({ cursor: "b/1", reverse: true }));
        await tell("cursor of no entry", () => keys({ prefix: "b/", cursor: "b/15" }));
        await tell("cursor before", () => keys({ prefix: "b/", cursor: "a", limit: 1 }));
        await tell("cursor after", () => keys({ prefix: "b/", cursor: "c" }));
        await tell("empty", () => keys({ start: "b", end: "b" }));
        await tell("turned", () => keys({ start: "c", end: "a", reverse: true }));
        await tell("no bounds", () => keys({ prefix: "", start: "", limit: 1e300 }));
        await tell("before all", () => keys({ end: "" }));
        let [pages, cursor] = [[], undefined];
        for (;;) {
          const page = await keys({ cursor, limit: 4 });
          if (page === "") break;
          pages.push(page);
          cursor = page.split(" ").at(-1);
        }
        await tell("pages", () => pages);
        await tell("entries", () => entries({ prefix: "b/", limit: 2, reverse: true }).then((all) => all.map(({ key, value }) => [key, value])));
        await tell("versions", async () => { for (const entry of await entries()) if (entry.versionstamp !== (await kv.getEntry(entry.key)).versionstamp) return entry; return "the same"; });"#;
    let ran = telling(ALL, &format!("{KEYS}{source}"))
        .kv(store)
        .run(&[])
        .completed();
    let all = "a b b/ b/1 b/2 b/3 b0 c \u{e9}";
    let reverse = all.split(' ').rev().collect::<Vec<_>>().join(" ");
    let expected = [
        "prefix: \"b/ b/1 b/2 b/3\"",
        "start: \"b/2 b/3 b0 c \u{e9}\"",
        "end: \"a b b/ b/1\"",
        "both: \"b b/ b/1\"",
        "prefix and start: \"b/2 b/3\"",
        "prefix and end: \"b/ b/1\"",
        "other prefix: \"\"",
        &format!("reverse: {reverse:?}"),
        "reverse and prefix: \"b/3 b/2 b/1 b/\"",
        "limit: \"a b\"",
        "reverse and limit: \"\u{e9} c\"",
        "cursor: \"b/2 b/3 b0\"",
        "reverse and cursor: \"b/ b a\"",
        "cursor of no entry: \"b/2 b/3\"",
        "cursor before: \"b/\"",
        "cursor after: \"\"",
        "empty: \"\"",
        "turned: \"\"",
        &format!("no bounds: {all:?}"),
        "before all: \"\"",
        "pages: [\"a b b/ b/1\",\"b/2 b/3 b0 c\",\"\u{e9}\"]",
        "entries: [[\"b/3\",\"b/3\"],[\"b/2\",\"b/2\"]]",
        "versions: \"the same\"",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}

/// RUN-113, RUN-36: neither a range nor a cursor reaches keys that may not be read.
#[test]
fn ranges_and_cursors_stay_within_the_scope() {
    let store = store(&[
        "a/1",
        "a/2",
        "a0",
        "b/1",
        "b/2",
        "user/4",
        "user/42",
        "user/42/x",
        "user/420",
    ]);
    let source = r#"
        await tell("all", () => keys());
        await tell("outside", () => keys({ prefix: "b/" }));
        await tell("range outside", () => keys({ start: "b/", end: "b0" }));
        await tell("range below another key", () => keys({ start: "a0", end: "a1" }));
        await tell("range around", () => keys({ start: "a", end: "c" }));
        await tell("range after", () => keys({ start: "b/" }));
        await tell("cursor outside", () => keys({ cursor: "b/1" }));
        await tell("cursor before a denied prefix", () => keys({ prefix: "b/", cursor: "a/1" }));
        await tell("reverse cursor outside", () => keys({ cursor: "b/2", reverse: true }));
        await tell("prefix of a scope", () => keys({ prefix: "user/4" }));
        await tell("limit", () => keys({ start: "a/2", limit: 2 }));
        await tell("entries", async () => (await entries({ start: "a", reverse: true })).map((entry) => `${entry.key}=${entry.value}`).join(" "));
        await tell("entries outside", () => entries({ prefix: "b/" }));
        await tell("narrower", () => keys({ start: "a/2" }, kv.attenuate({ read: "user/42/*" })));"#;
    let ran = telling(
        &["kv.read=a/*", "kv.read=user/42", "kv.read=user/42/*"],
        &format!("{KEYS}{source}"),
    )
    .kv(store)
    .run(&[])
    .completed();
    let expected = [
        "all: \"a/1 a/2 user/42 user/42/x\"",
        "outside: denied",
        "range outside: denied",
        "range below another key: \"\"",
        "range around: \"a/1 a/2\"",
        "range after: \"user/42 user/42/x\"",
        "cursor outside: \"user/42 user/42/x\"",
        "cursor before a denied prefix: denied",
        "reverse cursor outside: \"a/2 a/1\"",
        "prefix of a scope: \"user/42 user/42/x\"",
        "limit: \"a/2 user/42\"",
        "entries: \"user/42/x=user/42/x user/42=user/42 a/2=a/2 a/1=a/1\"",
        "entries outside: denied",
        "narrower: \"user/42/x\"",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    let decisions = ran.decisions();
    assert!(
        decisions.contains(&"denied kv read b*".to_owned()),
        "{decisions:?}"
    );
    assert!(
        decisions.contains(&"allowed kv read a*".to_owned()),
        "{decisions:?}"
    );
}

/// RUN-113: values are read only of keys that may be read, and several at once.
#[test]
fn values_are_read_of_allowed_keys_in_few_calls() {
    let store = Recording::new();
    for number in 0..40 {
        for name in ["a", "b"] {
            let name = format!("{name}/{number:02}");
            store.store.set(&key(&name), text(&name)).unwrap();
        }
    }
    let source = r#"
        await tell("entries", async () => (await entries()).length);
        await tell("gone", async () => {
          const found = [];
          for await (const { key } of kv.entries({ prefix: "a/" })) {
            if (found.push(key) === 1) for (let i = 0; i < 40; i++) await kv.delete(`a/${String(i).padStart(2, "0")}`);
          }
          return found.length;
        });"#;
    let ran = telling(&["kv.read=a/*", "kv.write=a/*"], &format!("{KEYS}{source}"))
        .kv(store.clone())
        .run(&[])
        .completed();
    // The first 16 entries were read before the first one was used.
    assert_eq!(ran.out, "entries: 40\ngone: 16\n");
    let calls = store.calls();
    let read: Vec<_> = calls.iter().filter(|call| call.starts_with("entries")).collect();
    assert!(read.iter().all(|call| !call.contains("b/")), "{read:?}");
    // Three for the first list, and one for the second. At the end of a list, there is nothing to read.
    assert!(read.len() <= 6, "{read:?}");
}

/// RUN-113
#[test]
fn wrong_ranges_are_rejected() {
    let source = r#"
        for (const options of [
          1, "a", { prefix: 1 }, { start: null }, { end: {} }, { cursor: 5 }, { cursor: "\ud800" }, { start: "\0" }, { end: "x".repeat(2049) },
          { limit: "1" }, { limit: null }, { limit: 1n },
        ]) await tell("type", () => keys(options));
        for (const limit of [0, -1, NaN, 0.5]) await tell("range", () => keys({ limit }));
        await tell("then", () => keys({ get then() { throw 1; }, prefix: "a" }));
        let reads = 0;
        await tell("getter", () => keys({ get prefix() { return reads++ === 0 ? "a" : "b"; } }));
        console.log(reads);"#;
    let ran = telling(&["kv.read=a*"], &format!("{KEYS}{source}"))
        .run(&[])
        .completed();
    let mut expected = vec!["type: TypeError"; 12];
    expected.extend(["range: RangeError"; 4]);
    expected.extend(["then: \"\"", "getter: \"\"", "1"]);
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}
