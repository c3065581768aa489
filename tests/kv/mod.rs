//! The `kv` family: entries of a store that the host provides.

mod atomic;
mod expiry;
mod file;
mod list;
mod stores;
mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secure_runtime::{
    Exit, KvChange, KvChanges, KvCheck, KvEntry, KvError, KvRange, KvStore, KvValue, MemoryKvStore,
};
use secure_runtime_capabilities::Key;

use crate::support::Scene;

const ALL: &[&str] = &["kv.read=*", "kv.write=*"];

/// Creates a program that prints the result or the error of each call of `tell`.
fn telling(grants: &[&str], source: &str) -> Scene {
    let source = format!(
        "import {{ kv, CapabilityError }} from 'cap:self';
        const tell = async (what, call) => {{
          try {{
            console.log(`${{what}}: ${{JSON.stringify(await call())}}`);
          }} catch (error) {{
            console.log(`${{what}}: ${{error instanceof CapabilityError ? error.code : error.name}}`);
          }}
        }};
        const list = async (prefix) => {{
          const keys = [];
          for await (const key of kv.list(prefix === undefined ? undefined : {{ prefix }})) keys.push(key);
          return keys;
        }};
        {source}"
    );
    Scene::of_main(grants, &source)
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn text(text: &str) -> KvValue {
    KvValue::Text(text.to_owned())
}

fn all_keys(store: &dyn KvStore) -> Vec<String> {
    store.keys(&KvRange::prefix(""), usize::MAX).unwrap()
}

/// The time of a store, which passes when a test says so.
#[derive(Clone)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn new() -> Time {
        Time(Arc::new(AtomicU64::new(1_000_000)))
    }

    fn clock(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let time = self.0.clone();
        move || UNIX_EPOCH + Duration::from_millis(time.load(Ordering::SeqCst))
    }

    fn pass(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

/// A store that records its calls. A change of the key `pass` lets this number of milliseconds pass, and one of the key
/// `host` sets the entry `a` by the host.
struct Recording {
    store: MemoryKvStore,
    time: Time,
    calls: Mutex<Vec<String>>,
}

impl Recording {
    fn new() -> Arc<Recording> {
        let time = Time::new();
        Arc::new(Recording {
            store: MemoryKvStore::with_clock(time.clock()),
            time,
            calls: Mutex::default(),
        })
    }

    fn record(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    /// Returns the calls, and forgets them.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

impl KvStore for Recording {
    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<KvEntry>>, KvError> {
        let names: Vec<_> = keys.iter().map(Key::as_str).collect();
        self.record(format!("entries {}", names.join(" ")));
        self.store.entries(keys)
    }

    fn keys(&self, range: &KvRange, count: usize) -> Result<Vec<String>, KvError> {
        self.record(format!("keys {}", range.from));
        self.store.keys(range, count)
    }

    fn commit(&self, checks: &[KvCheck], changes: Vec<KvChange>) -> Result<bool, KvError> {
        let names: Vec<_> = changes.iter().map(|change| change.key().as_str()).collect();
        self.record(format!("commit {}", names.join(" ")));
        if let [KvChange::Set { key, value, .. }] = changes.as_slice()
            && let KvValue::Text(value) = value
        {
            match key.as_str() {
                "pass" => {
                    self.time.pass(value.parse().unwrap());
                    self.store.changes().notify();
                    return Ok(true);
                }
                "host" => return self.store.set(&self::key("a"), text(value)).map(|()| true),
                _ => {}
            }
        }
        self.store.commit(checks, changes)
    }

    fn changes(&self) -> KvChanges {
        self.store.changes()
    }
}

/// RUN-35
#[test]
fn entries_are_set_read_listed_and_removed() {
    let source = r#"
        await tell("absent", async () => (await kv.get("a")) === undefined);
        await tell("set", () => kv.set("a", "one"));
        await tell("get", () => kv.get("a"));
        const bytes = new Uint8Array([1, 2, 3, 4]);
        const done = kv.set("b", bytes.subarray(1, 3));
        bytes.fill(9);
        await done;
        await tell("bytes", async () => { const value = await kv.get("b"); return [value instanceof Uint8Array, Array.from(value)]; });
        await kv.set("", "x").catch((error) => console.log(error.name));
        await tell("empty", async () => { await kv.set("c", ""); return kv.get("c"); });
        await tell("no bytes", async () => { await kv.set("d", new Uint8Array()); return (await kv.get("d")).length; });
        await tell("list", () => list());
        await tell("delete", () => kv.delete("a"));
        await tell("again", () => kv.delete("a"));
        await tell("left", () => list());
        await tell("most", async () => { await kv.set("e", "x".repeat(65536)); return (await kv.get("e")).length; });
        await tell("too much", () => kv.set("e", "x".repeat(65537)));
        await tell("too much in UTF-8", () => kv.set("e", "\u00e9".repeat(32769)));
        await tell("too many bytes", () => kv.set("e", new Uint8Array(65537)));
        for (const value of [undefined, null, 1, {}, [], Symbol("x"), new String("x")]) await tell("no value", () => kv.set("f", value));
        // Operations take effect in the order of the calls, with or without `await`.
        await Promise.all(Array.from({ length: 40 }, (_, index) => kv.set("last", String(index))));
        await tell("order", () => kv.get("last"));"#;
    let out = telling(ALL, source).run(&[]).completed().out;
    let mut expected = vec![
        "absent: true",
        "set: undefined",
        "get: \"one\"",
        "bytes: [true,[2,3]]",
        "TypeError",
        "empty: \"\"",
        "no bytes: 0",
        "list: [\"a\",\"b\",\"c\",\"d\"]",
        "delete: undefined",
        "again: undefined",
        "left: [\"b\",\"c\",\"d\"]",
        "most: 65536",
        "too much: RangeError",
        "too much in UTF-8: RangeError",
        "too many bytes: RangeError",
    ];
    expected.extend(["no value: TypeError"; 7]);
    expected.push("order: \"39\"");
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
}

/// RUN-36
#[test]
fn a_list_contains_only_keys_that_may_be_read() {
    let store = Arc::new(MemoryKvStore::default());
    for name in [
        "user/4/a",
        "user/42",
        "user/42/a",
        "user/42/b",
        "user/420/a",
        "other",
    ] {
        store.set(&key(name), text(name)).unwrap();
    }
    // Enough keys in between that several pages are needed.
    for index in 0..1_000 {
        store.set(&key(&format!("user/5/{index:04}")), text("")).unwrap();
    }
    store.set(&key("user/6"), text("")).unwrap();
    let source = r#"
        await tell("all", () => list());
        await tell("users", () => list("user/"));
        await tell("42", () => list("user/42/"));
        await tell("exact", () => list("user/6"));
        await tell("elsewhere", () => list("other"));
        await tell("beside", () => list("user/43/"));
        const narrower = kv.attenuate({ read: ["user/42/b*"] });
        await tell("narrower", async () => { const keys = []; for await (const key of narrower.list()) keys.push(key); return keys; });
        await tell("narrower elsewhere", () => narrower.list({ prefix: "user/42/a" }).next());
        await tell("inherited", () => kv.list(Object.create({ prefix: "user/43/" })).next().then(({ value }) => value));
        for (const prefix of [1, null, {}, "\ud800", "\0", "x".repeat(2049)]) await tell("no prefix", () => list(prefix));"#;
    let ran = telling(&["kv.read=user/42/*", "kv.read=user/6"], source)
        .kv(store)
        .run(&[])
        .completed();
    let mut expected = vec![
        "all: [\"user/42/a\",\"user/42/b\",\"user/6\"]",
        "users: [\"user/42/a\",\"user/42/b\",\"user/6\"]",
        "42: [\"user/42/a\",\"user/42/b\"]",
        "exact: [\"user/6\"]",
        "elsewhere: denied",
        "beside: denied",
        "narrower: [\"user/42/b\"]",
        "narrower elsewhere: denied",
        "inherited: \"user/42/a\"",
    ];
    expected.extend(["no prefix: TypeError"; 6]);
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    // Each page is a decision, and so is the answer that there are no more.
    let decisions = ran.decisions();
    assert_eq!(&decisions[..3], ["allowed kv read *"; 3]);
    assert!(decisions.contains(&"denied kv read other*".to_owned()));
    // No decision contains a key that the program did not name.
    assert!(decisions.iter().all(|decision| !decision.contains("user/5")));
}

/// RUN-37
#[test]
fn the_store_belongs_to_the_host_or_to_the_run() {
    let store = Arc::new(MemoryKvStore::default());
    let source = "await tell('before', async () => String(await kv.get('a'))); await kv.set('a', 'kept');";
    let run = |given: Option<Arc<MemoryKvStore>>| {
        let scene = telling(ALL, source);
        let scene = match given {
            Some(store) => scene.kv(store),
            None => scene,
        };
        scene.run(&[]).completed().out
    };
    assert_eq!(run(Some(store.clone())), "before: \"undefined\"\n");
    assert_eq!(run(Some(store.clone())), "before: \"kept\"\n");
    assert_eq!(store.get(&key("a")), Ok(Some(text("kept"))));
    assert_eq!(run(None), "before: \"undefined\"\n");
    assert_eq!(run(None), "before: \"undefined\"\n");
}

/// RUN-37
#[test]
fn the_store_in_memory_is_bounded() {
    let source = r#"
        const most = "x".repeat(65536);
        // 16 MiB has room for 254 such entries, with 256 bytes for each.
        for (let index = 0; index < 254; index++) await kv.set(`k/${index}`, most);
        await tell("one more", () => kv.set("more", most));
        await tell("a small one", () => kv.set("small", ""));
        await tell("replaced", () => kv.set("k/0", most));
        await kv.delete("k/0");
        await tell("one more", () => kv.set("more", most));
        await kv.set("another", most);"#;
    let ran = telling(ALL, source).run(&[]);
    let Ok(Exit::Denied(report, error)) = &ran.exit else {
        panic!("{ran:#?}");
    };
    assert_eq!(
        ran.out,
        "one more: limit\na small one: undefined\nreplaced: undefined\none more: undefined\n"
    );
    assert_eq!(report.operation.to_string(), "kv write another");
    assert!(
        error.message.contains("at most 16777216 bytes") && error.message.contains("; delete"),
        "{error:?}"
    );
}

/// RUN-37: small entries take memory too, so they are counted with more than their bytes.
#[test]
fn small_entries_do_not_exceed_the_bound() {
    let store = MemoryKvStore::default();
    let mut count = 0;
    while store.set(&key(&format!("{count}")), text("")).is_ok() {
        count += 1;
    }
    let most = MemoryKvStore::MAX_BYTES / 256;
    assert!(count > most * 9 / 10 && count < most, "{count}");
}

/// A store that records its calls and always fails.
#[derive(Default)]
struct Failing(Mutex<Vec<String>>);

impl Failing {
    fn fail<T>(&self, asked: String) -> Result<T, KvError> {
        self.0.lock().unwrap().push(asked);
        Err(KvError::Failed {
            reason: "no disk".to_owned(),
        })
    }
}

impl KvStore for Failing {
    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<KvEntry>>, KvError> {
        self.fail(format!("get {}", keys[0].as_str()))
    }

    fn keys(&self, range: &KvRange, _: usize) -> Result<Vec<String>, KvError> {
        self.fail(format!("keys {}", range.from))
    }

    fn commit(&self, _: &[KvCheck], changes: Vec<KvChange>) -> Result<bool, KvError> {
        self.fail(format!("set {}", changes[0].key().as_str()))
    }

    fn changes(&self) -> KvChanges {
        KvChanges::default()
    }
}

#[test]
fn a_failing_store_is_an_error_and_denied_operations_do_not_reach_it() {
    let store = Arc::new(Failing::default());
    let source = r#"
        for (const name of ["a/1", "b/1"]) {
          await tell("get", () => kv.get(name));
          await tell("set", () => kv.set(name, ""));
          await tell("delete", () => kv.delete(name));
          await tell("list", () => list(name));
          await tell("commit", () => kv.atomic().set(name, "").commit());
          await tell("watch", () => kv.watch(name).next());
        }"#;
    let ran = telling(&["kv.read=a/*", "kv.write=a/*"], source)
        .kv(store.clone())
        .run(&[])
        .completed();
    let said =
        |how: &str| ["get", "set", "delete", "list", "commit", "watch"].map(|what| format!("{what}: {how}"));
    let expected = [said("Error"), said("denied")].concat();
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        *store.0.lock().unwrap(),
        ["get a/1", "set a/1", "set a/1", "keys a/1", "set a/1", "get a/1"]
    );
}
