//! RUN-99, RUN-100: families that an embedder adds, and capabilities that modules make.

mod counter;
mod guide;
mod made_by_modules;
mod rejected;

use std::time::Duration;

use secure_runtime::{Exit, Limits, Quotas};

use self::counter::counter;
use crate::support::{Scene, manifest};

fn scene(grants: &[&str], source: &str) -> Scene {
    Scene::of_main(grants, source).extension(counter().0)
}

const REFUSED: &str = "const refused = async (call) => { try { return `allowed ${await call()}`; } catch (error) { \
    return `${error.name} ${error.code} ${error.family} ${error.action} ${error.resource}`; } };\n";

/// RUN-99: the runtime decides, records and refuses calls of an embedder's family like those of its own.
#[test]
fn every_call_of_an_added_family_is_decided_and_recorded() {
    let source = format!(
        "import {{ counter }} from 'cap:self';
        {REFUSED}
        console.log(await refused(() => counter.add('Team/Visits', 2)));
        console.log(await refused(() => counter.value('team/visits')));
        console.log(await refused(() => counter.value('other/visits')));
        console.log(await refused(() => counter.add('other/visits', 2)));
        console.log(await refused(() => visits()));
        console.log(await refused(() => counter.value('nonsense')));
        console.log(await refused(() => counter.list()));"
    );
    let ran = scene(&["counter.read=team/*", "counter.add=team/visits"], &source)
        .run(&[])
        .completed();
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        [
            "allowed 2",
            "allowed 2",
            "CapabilityError denied counter read other/visits",
            "CapabilityError denied counter add other/visits",
            "allowed 2",
            "TypeError undefined undefined undefined undefined",
            "allowed team/visits",
        ]
    );
    assert_eq!(
        ran.decisions(),
        [
            "allowed counter add team/visits",
            "allowed counter read team/visits",
            "denied counter read other/visits",
            "denied counter add other/visits",
            "allowed counter read team/visits",
            "allowed counter read all/counters",
            "allowed counter read all/counters",
        ]
    );
    // Without rights, every method is refused, also the one behind a free name.
    let source = format!(
        "import {{ counter }} from 'cap:self';
        {REFUSED}
        for (const call of [() => counter.value('a/b'), () => counter.add('a/b', 1), () => visits(), () => counter.list(),
          () => counter.describe('a/b'), () => counter.wait('a/b'), () => counter.open('a/b')]) console.log(await refused(call));"
    );
    let ran = scene(&[], &source).run(&[]).completed();
    assert_eq!(
        ran.out.matches("CapabilityError denied counter").count(),
        7,
        "{}",
        ran.out
    );
}

/// RUN-99: a method cannot be decided as anything but what it declares, and not on an object of another kind.
#[test]
fn a_method_that_differs_from_its_declaration_is_refused() {
    let source = format!(
        "import {{ counter }} from 'cap:self';
        {REFUSED}
        for (const method of ['otherAction', 'otherFamily', 'valueOfResource', 'resourceOfCapability'])
          console.log(await refused(() => counter[method]('team/visits')));"
    );
    let grants = ["counter.read=team/*", "counter.add=team/*", "env.read=NAME"];
    let ran = scene(&grants, &source).run(&[]).completed();
    assert_eq!(ran.out.matches("TypeError undefined").count(), 4, "{}", ran.out);
    // Only the resource was opened.
    assert_eq!(ran.decisions(), ["allowed counter read team/visits"]);
}

/// RUN-99: attenuation, expiry, revocation, and the resources that a capability opened.
#[test]
fn added_families_are_attenuated_and_revoked() {
    let source = format!(
        "import {{ counter, seal }} from 'cap:self';
        {REFUSED}
        const narrow = counter.attenuate({{ read: 'team/a' }});
        console.log(narrow.lineage('team/a'), await refused(() => narrow.value('team/b')), await refused(() => narrow.add('team/a', 1)));
        const {{ capability, revoke }} = counter.revocable();
        const [open, start] = await capability.open('team/a');
        console.log(start, open.add(3), await open.value());
        const [reading] = await narrow.open('team/a');
        console.log(await refused(() => reading.add(1)));
        revoke();
        console.log(await refused(() => capability.value('team/a')), await refused(() => open.value()));
        reading.close();
        reading.close();
        console.log(await refused(() => reading.value()));
        console.log(await refused(() => seal(counter, {{ holder: 'blake3:' + '07'.repeat(32) }})));
        for (const foreign of [{{}}, new Proxy(counter, {{}}), open, Object.create(counter)]) {{
          try {{ Object.getPrototypeOf(counter).value.call(foreign, 'team/a'); }} catch (error) {{ console.log(error.name); }}
        }}"
    );
    let (extension, _, closed) = counter();
    let ran = Scene::of_main(&["counter.read=team/*", "counter.add=team/*"], &source)
        .extension(extension)
        .run(&[])
        .completed();
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        [
            "module narrowed CapabilityError denied counter read team/b CapabilityError denied counter add team/a",
            "0 3 3",
            "PermissionDenied EBADF undefined undefined undefined",
            "CapabilityError revoked counter read team/a CapabilityError revoked counter read team/a",
            "Error EBADF undefined undefined undefined",
            "CapabilityError denied counter seal blake3:0707070707070707070707070707070707070707070707070707070707070707",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
        ]
    );
    // The isolate closes what the program left open.
    assert_eq!(*closed.lock().unwrap(), ["team/a", "team/a"]);
}

/// RUN-99: a capability of an added family becomes one of a package's own isolate.
#[test]
fn capabilities_of_added_families_cross_to_other_isolates() {
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(&["counter.read=team/*"], "[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n"),
        )
        .file(
            "p/index.js",
            "import { counter as own } from 'cap:self';
            export const look = (given) => [given.value('team/a'), given.lineage('team/a'), given.describe('team/a')];
            export const other = (given) => given.value('team/b');
            export const mine = () => own.value('team/a');",
        )
        .file(
            "main.js",
            "import { counter } from 'cap:self';
            import { look, mine, other } from 'p';
            const narrow = counter.attenuate({ read: 'team/a' });
            console.log((await look(narrow)).join());
            for (const call of [() => other(narrow), mine]) try { await call(); } catch (error) { console.log(error.name, error.code); }",
        )
        .extension(counter().0);
    let ran = scene.run(&[]).completed();
    assert_eq!(
        ran.out,
        "0,module narrowed received,1 calls, 1 arrived\nCapabilityError denied\nCapabilityError denied\n"
    );
    assert_eq!(
        ran.decisions_by_module().first().unwrap(),
        "allowed counter read team/a by app:/main.js"
    );
}

/// RUN-99: calls, pending calls, open resources and bytes of an added family count against the quotas.
#[test]
fn added_families_are_counted() {
    let program = "import { counter } from 'cap:self';\n";
    let many = |call: &str| {
        format!("{program}const all = [];\nfor (let i = 0; i < 9; i++) all.push(await ({call}));\n")
    };
    let quotas = |set: fn(&mut Quotas)| {
        let mut quotas = Quotas::default();
        set(&mut quotas);
        quotas
    };
    for (call, set, limit) in [
        (
            "counter.value('team/a')",
            quotas(|quotas| quotas.operations = Some(3)),
            "3 operations a second",
        ),
        (
            "counter.open('team/a')",
            quotas(|quotas| quotas.handles = Some(3)),
            "3 open",
        ),
        (
            "void counter.wait('team/a').catch(() => {})",
            quotas(|quotas| quotas.pending = Some(3)),
            "3 pending",
        ),
        (
            "counter.open('team/a').then(([open]) => open.value())",
            quotas(|quotas| quotas.read = Some(20)),
            "20 B read",
        ),
    ] {
        let scene = scene(&["counter.read=team/*"], &many(call)).limits(Limits {
            quotas: set,
            wall: Some(Duration::from_secs(600)),
            ..Limits::default()
        });
        let exit = scene.run(&[]).exit.unwrap();
        let Exit::Limit(hit) = &exit else {
            panic!("{call}: {exit:?}");
        };
        assert!(hit.to_string().contains(limit), "{call}: {hit}");
    }
}

/// RUN-99: a package that shares an isolate is refused what exceeds its quota, and others continue.
#[test]
fn a_quota_of_a_package_refuses_its_calls() {
    let package = "[imports]\np = \"./p/\"\n[packages.p.limits]\npending = 2\n[packages.p.grants]\ncounter.read = [\"team/*\"]\n";
    let scene = Scene::new()
        .file("secure.toml", manifest(&["counter.read=team/*"], package))
        .file(
            "p/index.js",
            "import { counter } from 'cap:self';
            export const wait = (signal) => counter.wait('team/a', { signal });",
        )
        .file(
            "main.js",
            "import { wait } from 'p';
            import { counter } from 'cap:self';
            const controller = new AbortController();
            const waiting = [1, 2].map(() => wait(controller.signal).catch(() => {}));
            try { await wait(controller.signal); } catch (error) { console.log(error.code, error.family, error.action); }
            console.log(counter.value('team/a'));
            controller.abort();
            await Promise.all(waiting);",
        )
        .extension(counter().0);
    let ran = scene.run(&[]).completed();
    assert_eq!(ran.out, "limit counter read\n0\n");
}

/// RUN-99: a call that is aborted ends, and its work is dropped.
#[test]
fn calls_of_added_families_can_be_aborted() {
    let source = "import { counter } from 'cap:self';
        const controller = new AbortController();
        const waiting = counter.wait('team/a', { signal: controller.signal });
        controller.abort();
        try { await waiting; } catch (error) { console.log(error.name); }
        try { await counter.wait('team/a', { signal: {} }); } catch (error) { console.log(error.name); }
        try { await counter.wait('team/a', { signal: AbortSignal.abort() }); } catch (error) { console.log(error.name); }";
    let ran = scene(&["counter.read=team/*"], source).run(&[]).completed();
    assert_eq!(ran.out, "AbortError\nTypeError\nAbortError\n");
}

/// RUN-99: arguments and results are data, copied once, and counted.
#[test]
fn values_cross_to_an_added_family_as_copies() {
    let source = "import { counter } from 'cap:self';
        const show = (value) => JSON.stringify(value, (key, part) => part instanceof Uint8Array ? ['bytes', ...part] : part);
        const echo = (value) => { try { return show(counter.echo('team/a', value)); } catch (error) { return `${error.name}: ${error.message}`; } };
        console.log(echo([1, -0.5, 'é', true, null, undefined, { a: [{}] }, new Uint8Array([1, 2]), new Uint16Array([258]).buffer]));
        console.log(echo({ ['__proto__']: 1, constructor: 2 }));
        let reads = 0;
        console.log(echo({ get once() { return ++reads; } }), reads);
        for (const other of [new Map([[1, 2]]), new Date(0), Promise.resolve(), Object.create({ a: 1 })]) console.log(echo(other));
        console.log(echo(() => 1)); console.log(echo(Symbol())); console.log(echo(1n));
        const cycle = []; cycle.push(cycle);
        console.log(echo(cycle));
        const given = counter.echo('team/a', [1]);
        given.push(2);
        console.log(Object.getPrototypeOf(given) === Array.prototype, Object.getPrototypeOf(counter.echo('team/a', {})) === Object.prototype);
        try { counter.echo('team/a', Array(64).fill('x'.repeat(1 << 20))); } catch (error) { console.log(error.name); }
        let deep = 'x'; for (let i = 0; i < 20; i++) deep = [deep];
        console.log(counter.echo('team/a', deep).flat(Infinity)[0]);";
    let limits = Limits {
        heap: 32 << 20,
        ..Limits::default()
    };
    let ran = scene(&["counter.read=team/*"], source)
        .limits(limits)
        .run(&[])
        .completed();
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        [
            r#"[1,-0.5,"é",true,null,null,{"a":[{}]},["bytes",1,2],["bytes",2,1]]"#,
            r#"{"__proto__":1,"constructor":2}"#,
            r#"{"once":1} 1"#,
            "TypeError: value: only arrays and plain objects are data",
            "TypeError: value: only arrays and plain objects are data",
            "TypeError: value: only arrays and plain objects are data",
            "TypeError: value: only arrays and plain objects are data",
            "TypeError: value: a function is not data",
            "TypeError: value: a symbol is not data",
            "TypeError: value: a bigint is not data",
            "TypeError: value is nested too deeply",
            "true true",
            "RangeError",
            "x",
        ]
    );
}

/// RUN-99: guests find nothing of an added family that they could change.
#[test]
fn objects_of_added_families_are_frozen() {
    let source = "import { counter } from 'cap:self';
        const [open] = await counter.open('team/a');
        const seen = new Set();
        const walk = (value, path) => {
          if ((typeof value !== 'object' || value === null) && typeof value !== 'function' || seen.has(value)) return;
          seen.add(value);
          if (!Object.isFrozen(value)) console.log('not frozen:', path);
          walk(Object.getPrototypeOf(value), `${path}.[prototype]`);
          for (const key of Reflect.ownKeys(value)) {
            const { value: held, get, set } = Object.getOwnPropertyDescriptor(value, key);
            for (const part of [held, get, set]) walk(part, `${path}.${String(key)}`);
          }
        };
        walk(counter, 'counter'); walk(open, 'open'); walk(visits, 'visits');
        console.log(seen.size > 20, 'constructor' in counter && counter.constructor === Object, Object.keys(counter).length);";
    let ran = scene(&["counter.read=team/*"], source).run(&[]).completed();
    assert_eq!(ran.out, "true true 0\n");
}

/// RUN-99: the TypeScript declarations contain those of an added family.
#[test]
fn the_types_of_added_families_are_declared() {
    let types = secure_runtime::types(&[counter().0]).unwrap();
    assert!(
        types.contains("  export interface Counters extends Capability<Counters, \"read\" | \"add\"> {\n")
    );
    assert!(types.contains("  export const counter: Counters;\n"));
    assert!(types.contains("| KeyValue | Http | Secrets | Log | Counters;"));
}
