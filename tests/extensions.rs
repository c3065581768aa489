//! RUN-99, RUN-100: families that an embedder adds, and capabilities that modules make.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secure_runtime::capabilities::{
    Action, ActionName, Base, Family, FamilyName, Operation, Pattern, Problem, VariableName, describe_pattern,
};
use secure_runtime::extension::{
    AnyExtension, Arguments, CapabilityView, CountedBytes, Each, Extension, ExtensionError, Global, Granted,
    Methods, OperationError, Origin, Output, ProgramStart, Script, Value,
};
use secure_runtime::{Exit, Limits, Quotas};

use crate::support::{Scene, manifest, root};

#[path = "../cli/examples/notes/notes.rs"]
mod notes;

/// Counters, by name: `team/visits`. A scope is a name, or all names of a team: `team/*`.
struct Counters([Action; 2]);

fn action(name: &str) -> ActionName {
    name.parse().unwrap()
}

impl Family for Counters {
    fn name(&self) -> FamilyName {
        "counter".parse().unwrap()
    }

    fn actions(&self) -> &[Action] {
        &self.0
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![match text.strip_suffix('*') {
            Some(team) if team.ends_with('/') => Pattern::prefix(team.to_owned()),
            _ => Pattern::exact(name(text)?),
        }])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        name(text)
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let describe = |pattern: &Pattern| match pattern {
            Pattern::Affix { prefix, suffix } if suffix.is_empty() => format!("{prefix}*"),
            pattern => describe_pattern(pattern),
        };
        patterns.iter().map(describe).collect()
    }
}

fn name(text: &str) -> Result<String, Problem> {
    let lower = text.to_lowercase();
    let is_name = lower.split('/').count() == 2 && lower.split('/').all(|part| !part.is_empty());
    let fault = || Problem::Other("write a team and a counter, as in `team/visits`".to_owned());
    is_name.then_some(lower).ok_or_else(fault)
}

/// The counters of a process. Programs share them.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<BTreeMap<String, f64>>>);

/// The number of capabilities of a program that arrived from other isolates.
#[derive(Default)]
struct Arrived(Mutex<u32>);

/// The number of calls in an isolate.
#[derive(Default)]
struct Calls(std::cell::Cell<u32>);

/// A mark that is kept when a capability is narrowed or sent.
#[derive(Clone, Default, PartialEq)]
struct Lineage(String);

/// An open counter.
struct Open {
    name: String,
    closed: Arc<Mutex<Vec<String>>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.closed.lock().unwrap().push(self.name.clone());
    }
}

struct Counter {
    store: Store,
    closed: Arc<Mutex<Vec<String>>>,
}

const SCRIPT: &str = r#"
({ Capability, calls, opened, until, options, text, data, bound }) => {
  class OpenCounter {
    #resource;
    constructor(resource) {
      this.#resource = resource;
      Object.freeze(this);
    }
    add(by) { return calls.addToOpen(this.#resource, +by); }
    value() { return calls.valueOfOpen(this.#resource); }
    close() { calls.closeOpen(this.#resource); }
  }
  class Counters extends Capability {
    value(name) { return calls.value(this, text(name, "name")); }
    add(name, by) { return calls.add(this, text(name, "name"), +by); }
    describe(name) { return calls.describe(this, text(name, "name")); }
    list() { return calls.list(this); }
    otherAction() { return calls.otherAction(this); }
    otherFamily() { return calls.otherFamily(this); }
    async valueOfResource(name) {
      const [resource] = opened(await calls.open(this, text(name, "name")));
      return calls.value(resource, name);
    }
    resourceOfCapability() { return calls.addToOpen(this, 1); }
    lineage(name) { return calls.lineage(this, text(name, "name")); }
    echo(name, value) { return calls.echo(this, text(name, "name"), data(value, "value")); }
    async wait(name, bag) {
      const { signal } = options(bag, ["signal"]);
      return signal === undefined ? await calls.wait(this, text(name, "name")) : await until(signal, calls.wait, this, text(name, "name"));
    }
    async open(name) {
      const [resource, { start }] = opened(await calls.open(this, text(name, "name")));
      return [new OpenCounter(resource), start];
    }
  }
  return {
    capability: Counters,
    objects: [OpenCounter],
    globals: { visits: (counters) => bound(calls.visits, counters) },
  };
}
"#;

impl Extension for Counter {
    type Program = Arrived;
    type Isolate = Calls;
    type Capability = Lineage;
    type Sent = Lineage;

    fn family(&self) -> Arc<dyn Family> {
        let summarised = |name, summary| Action {
            name: action(name),
            summary,
        };
        Arc::new(Counters([
            summarised("read", "read counters"),
            summarised("add", "add to counters"),
        ]))
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:counter/counter.js",
            source: SCRIPT,
        }
    }

    fn types(&self) -> &'static str {
        "export interface Counters extends Capability<Counters, \"read\" | \"add\"> {\n  value(name: string): number;\n}\n"
    }

    fn globals(&self) -> &'static [Global] {
        &[Global {
            name: "visits",
            needs: "",
            is_given_to_all: true,
        }]
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        let (read, add) = (action("read"), action("add"));
        methods.on_argument(read).sync("value", |granted, _| {
            let isolate = granted.isolate()?;
            isolate.isolate().0.set(isolate.isolate().0.get() + 1);
            Ok(value(&granted))
        });
        methods.on_argument(add).sync("add", |granted, arguments| {
            increase(&granted, arguments.number(1)?)
        });
        methods.on_argument(read).text("describe", |granted| {
            let arrived = *granted.isolate()?.program().0.lock().unwrap();
            let calls = granted.isolate()?.isolate().0.get();
            Ok(Some(format!("{} calls, {arrived} arrived", calls)))
        });
        methods
            .on_argument(read)
            .text("lineage", |granted| Ok(Some(granted.state().0.clone())));
        methods
            .on_argument(read)
            .sync("echo", |_, mut arguments| Ok(arguments.take(1)));
        methods
            .on(read, move |asked| {
                Ok((asked.operation(read, "team/visits")?, "team/visits".into()))
            })
            .number("visits", |granted| Ok(value(&granted)));
        methods
            .on_each(read, move |asked| {
                Ok(Each {
                    operation: asked.operation(read, "all/counters")?,
                    pattern: Pattern::prefix(String::new()),
                    shown: "all".to_owned(),
                })
            })
            .sync("list", |granted, _| {
                // The method is decided in the same way again, although no right covers the whole.
                granted.check_again()?;
                let counters = granted.extension().store.0.lock().unwrap();
                let allowed = |name: &&String| {
                    let operation = granted.parse(action("read"), name);
                    operation.is_ok_and(|operation| granted.allows(&operation))
                };
                let names = counters.keys().filter(allowed).cloned().map(Value::Text);
                Ok(Value::List(names.collect()))
            });
        // Mistakes of an author: the operation is not the declared one.
        methods
            .on(read, move |asked| {
                Ok((asked.operation(add, "team/visits")?, "team/visits".into()))
            })
            .sync("otherAction", |_, _| Ok(()));
        methods
            .on(read, |_| {
                let name = VariableName::parse("NAME")
                    .map_err(|error| OperationError::type_error(error.to_string()))?;
                Ok((Operation::env_read(name), "NAME".into()))
            })
            .sync("otherFamily", |_, _| Ok(()));
        methods
            .on_argument(read)
            .asynchronous("wait", |granted, _| async move {
                std::future::pending::<()>().await;
                drop(granted);
                Ok(())
            });
        methods
            .on_argument(read)
            .titled("open")
            .asynchronous("open", open);
        let mut open = methods.resource::<Open>();
        open.on(add).sync("addToOpen", |granted, _, arguments| {
            increase(&granted, arguments.number(0)?)
        });
        open.on(read)
            .titled("open")
            .asynchronous("valueOfOpen", |granted, open, _| async move {
                assert_eq!(granted.resource(), open.name);
                granted.count(CountedBytes::Read, 8)?;
                Ok(value(&granted))
            });
        open.close("closeOpen");
    }

    fn start_program(&self, program: &ProgramStart<'_>) -> Arrived {
        assert!(program.limits.heap > 0);
        Arrived::default()
    }

    fn capability(
        &self,
        capability: CapabilityView<'_, Self>,
        origin: Origin<'_, Self>,
    ) -> Result<Lineage, OperationError> {
        let is_program = capability.isolate()?;
        Ok(Lineage(match origin {
            Origin::Module => "module".to_owned(),
            Origin::Narrowed(parent) => format!("{} narrowed", parent.0),
            Origin::Received(sent) => {
                *is_program.program().0.lock().unwrap() += 1;
                format!("{} received", sent.0)
            }
        }))
    }

    fn send(&self, state: &Lineage) -> Result<Lineage, OperationError> {
        Ok(state.clone())
    }
}

fn value(granted: &Granted<'_, Counter>) -> f64 {
    let counters = granted.extension().store.0.lock().unwrap();
    counters.get(granted.resource()).copied().unwrap_or_default()
}

fn increase(granted: &Granted<'_, Counter>, by: f64) -> Result<f64, OperationError> {
    let mut counters = granted.extension().store.0.lock().unwrap();
    let counter = counters.entry(granted.resource().to_owned()).or_default();
    *counter += by;
    Ok(*counter)
}

async fn open(granted: Granted<'static, Counter>, _: Arguments) -> Result<Output, OperationError> {
    let permit = granted.permit_open()?;
    // The resource can be added to if the capability allows that now.
    let adding = granted.parse(action("add"), granted.resource())?;
    let (both, one): (&[ActionName], &[ActionName]) = both();
    let actions = if granted.allows(&adding) { both } else { one };
    let open = Open {
        name: granted.resource().to_owned(),
        closed: granted.extension().closed.clone(),
    };
    let start = Value::Record(vec![("start".to_owned(), value(&granted).into())]);
    Ok(granted.open(actions, open, permit, start))
}

fn both() -> (&'static [ActionName], &'static [ActionName]) {
    let all: &'static [ActionName] = Box::leak(Box::new([action("read"), action("add")]));
    (all, &all[..1])
}

fn counter() -> (AnyExtension, Store, Arc<Mutex<Vec<String>>>) {
    let (store, closed) = (Store::default(), Arc::<Mutex<Vec<String>>>::default());
    let extension = Counter {
        store: store.clone(),
        closed: closed.clone(),
    };
    (extension.into(), store, closed)
}

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
        try { counter.echo('team/a', Array(64).fill(new Uint8Array(1 << 20))); } catch (error) { console.log(error.name); }
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

/// An extension with a given name, script and actions, which only its registration uses.
struct Named(&'static str, Script, &'static [&'static str]);

struct NamedFamily(FamilyName, [Action; 1]);

impl Family for NamedFamily {
    fn name(&self) -> FamilyName {
        self.0
    }

    fn actions(&self) -> &[Action] {
        &self.1
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![Pattern::exact(text)])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(text.to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

impl Extension for Named {
    type Program = ();
    type Isolate = ();
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        let read = Action {
            name: action("read"),
            summary: "",
        };
        Arc::new(NamedFamily(self.0.parse().unwrap(), [read]))
    }

    fn script(&self) -> Script {
        self.1
    }

    fn types(&self) -> &'static str {
        ""
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        for (at, method) in self.2.iter().enumerate() {
            let decided = action(if *method == "write" { "write" } else { "read" });
            let name: &'static str = ["first", "second", "second"][at];
            methods.on_argument(decided).sync(name, |_, _| Ok(()));
        }
    }
}

/// RUN-99: an extension that could not be told apart from another one, or that names what does not exist, is rejected
/// before a program runs.
#[test]
fn extensions_that_contradict_themselves_are_rejected() {
    let named = |family, name, methods| -> AnyExtension {
        let source = "({ Capability }) => ({ capability: class extends Capability {} })";
        Named(family, Script { name, source }, methods).into()
    };
    let rejected = |extensions: &[AnyExtension]| secure_runtime::operations(extensions).unwrap_err();
    assert!(matches!(
        rejected(&[named("fs", "ext:fs/a.js", &[])]),
        ExtensionError::Duplicate { .. }
    ));
    for word in ["seal", "import", "await", "enum"] {
        let script: &'static str = Box::leak(format!("ext:{word}/a.js").into_boxed_str());
        assert!(
            matches!(
                rejected(&[named(word, script, &[])]),
                ExtensionError::Reserved { .. }
            ),
            "{word}"
        );
    }
    assert!(matches!(
        rejected(&[named("sql", "ext:secure_runtime/lockdown.js", &[])]),
        ExtensionError::Script { .. }
    ));
    for (methods, reason) in [
        (&["read", "write"][..], "an action that the family does not have"),
        (&["read", "read", "read"], "declared twice"),
    ] {
        let error = rejected(&[named("sql", "ext:sql/a.js", methods)]).to_string();
        assert!(error.contains(reason), "{error}");
    }
    let operations = secure_runtime::operations(&[named("sql", "ext:sql/a.js", &["read"])]).unwrap();
    let names: Vec<&str> = operations
        .iter()
        .map(|row| row.name.as_str())
        .filter(|name| name.contains("sql"))
        .collect();
    assert_eq!(
        names,
        ["sql.first", "sql.attenuate", "sql.revocable", "seal(sql)"]
    );
    // A script that returns no class, or throws, prevents every run, and the error names the script.
    for (source, reason) in [
        ("({}) => ({})", "must return { capability }"),
        ("() => { throw new Error('broken script') }", "broken script"),
        ("() => (", "SyntaxError"),
    ] {
        let extension = Named(
            "sql",
            Script {
                name: "ext:sql/sql.js",
                source,
            },
            &[],
        );
        let error = Scene::of_main(&[], "")
            .extension(extension)
            .run(&[])
            .exit
            .unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

/// RUN-100: a capability that a module makes has its methods and nothing else.
#[test]
fn a_capability_of_a_module_reveals_nothing_of_what_it_holds() {
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(
                &["fs.read=./data/**", "fs.write=./data/**"],
                "[imports]\nlogger = \"./logger/\"\nuser = \"./user/\"\n[packages.logger.grants]\nfs.write = [\"./data/log\"]\n",
            ),
        )
        .file("data/log", "")
        .file(
            "logger/index.js",
            "import { fs, defineCapability } from 'cap:self';
            const { make, is } = defineCapability('Logger', (limit) => {
              let left = limit;
              const write = async function (line) {
                if (left-- <= 0) throw new RangeError('no lines are left');
                await fs.writeTextFile('data/log', `${line}\\n`, { append: true });
                return { left, self: this };
              };
              write.inner = fs;
              return { write };
            });
            export { make, is };
            export const forge = defineCapability('Logger', () => ({ write() {} })).make;",
        )
        .file(
            "user/index.js",
            "import { fs as own } from 'cap:self';
            export default async (logger) => {
              const seen = new Set();
              const walk = (value) => {
                if ((typeof value !== 'object' || value === null) && typeof value !== 'function' || seen.has(value)) return;
                seen.add(value);
                if (typeof value.writeTextFile === 'function') console.log('leaked');
                walk(Object.getPrototypeOf(value));
                for (const key of Reflect.ownKeys(value)) {
                  const { value: held, get } = Object.getOwnPropertyDescriptor(value, key);
                  walk(held); walk(get);
                }
              };
              walk(logger);
              const result = await logger.write('one');
              walk(result);
              console.log(result.left, result.self, Object.isFrozen(logger), String(logger.write).includes('writeTextFile'), logger.write.inner, logger.write.name);
              try { await logger.write.call(own, 'two'); await logger.write('three'); } catch (error) { console.log(error.message); walk(error); }
              try { logger.write = () => {}; } catch (error) { console.log(error.name); }
              try { logger.constructor.constructor('return this')(); } catch (error) { console.log(error.name); }
              try { await own.writeTextFile('data/log', 'x'); } catch (error) { console.log(error.code); }
            };",
        )
        .file(
            "main.js",
            "import { make, is, forge } from 'logger';
            import use from 'user';
            import { fs, defineCapability } from 'cap:self';
            const logger = make(2);
            await use(logger);
            const copy = Object.create(logger);
            console.log([logger, copy, new Proxy(logger, {}), { ...logger }, forge(), null, undefined, 1].map(is).join());
            console.log(await fs.readTextFile('data/log'), Object.prototype.toString.call(logger));
            for (const methods of [{ get write() { return 1; } }, { value: 1 }, { [Symbol('s')]() {} }, null]) {
              try { defineCapability('Bad', () => methods).make(); } catch (error) { console.log(error.name); }
            }
            try { defineCapability('Bad'); } catch (error) { console.log(error.name); }",
        );
    let ran = scene.run(&[]).completed();
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        [
            "[user/index.js] 1 undefined true false undefined write",
            "[user/index.js] no lines are left",
            "[user/index.js] TypeError",
            "[user/index.js] TypeError",
            "[user/index.js] denied",
            "true,false,false,false,false,false,false,false",
            "one",
            "two",
            " [object Logger]",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
        ],
        "{}",
        ran.err
    );
}

/// RUN-99: the TypeScript declarations contain those of an added family.
#[test]
fn the_types_of_added_families_are_declared() {
    let types = secure_runtime::types(&[counter().0]).unwrap();
    assert!(
        types.contains("  export interface Counters extends Capability<Counters, \"read\" | \"add\"> {\n")
    );
    assert!(types.contains("  export const counter: Counters;\n"));
    assert!(types.contains("| KeyValue | Counters;"));
}

/// The family of the guide decides every call. Each denial has a control that differs only in its grants.
#[test]
fn the_family_of_the_guide_works() {
    let source = format!(
        "import {{ notes }} from 'cap:self';
        {REFUSED}
        console.log(await refused(() => notes.write('Work/Plan', 'rest')));
        console.log(await refused(() => notes.read('work/plan')));
        console.log(await refused(() => notes.list()));"
    );
    let run = |grants: &[&str]| {
        let ran = Scene::of_main(grants, &source)
            .extension(notes::Notes)
            .run(&[])
            .completed();
        ran.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        run(&["notes.read=work/*", "notes.write=work/plan"]),
        ["allowed undefined", "allowed rest", "allowed work/plan"]
    );
    assert_eq!(
        run(&["notes.read=home/*", "notes.write=work/*"]),
        [
            "allowed undefined",
            "CapabilityError denied notes read work/plan",
            "allowed "
        ]
    );
    assert_eq!(
        run(&["notes.read=work/*", "notes.write=home/plan"]),
        [
            "CapabilityError denied notes write Work/Plan",
            "allowed undefined",
            "allowed "
        ]
    );
    assert_eq!(
        run(&[]),
        [
            "CapabilityError denied notes write Work/Plan",
            "CapabilityError denied notes read work/plan",
            "CapabilityError denied notes read all"
        ]
    );
}

/// The guide contains the code of its family, which is compiled.
#[test]
fn the_guide_contains_its_family() {
    let guide = std::fs::read_to_string(root().join("docs/extensions.md")).unwrap();
    for file in ["main.rs", "notes.rs", "notes.js"] {
        let code = std::fs::read_to_string(root().join("cli/examples/notes").join(file)).unwrap();
        let language = file.rsplit('.').next().unwrap().replace("rs", "rust");
        assert!(
            guide.contains(&format!("```{language}\n{code}```\n")),
            "docs/extensions.md lacks cli/examples/notes/{file}"
        );
    }
}
