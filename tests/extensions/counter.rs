//! The family `counter`, which uses every part of the interface of extensions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use secure_runtime::capabilities::{
    Action, ActionName, Base, Family, FamilyName, Operation, Pattern, Problem, VariableName, describe_pattern,
};
use secure_runtime::extension::{
    AnyExtension, Arguments, CapabilityView, CountedBytes, Each, Extension, Global, Granted, Methods,
    OperationError, Origin, Output, ProgramStart, Script, Value,
};

/// Counters, by name: `team/visits`. A scope is a name, or all names of a team: `team/*`.
struct Counters([Action; 2]);

pub(super) fn action(name: &str) -> ActionName {
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
pub(super) struct Store(Arc<Mutex<BTreeMap<String, f64>>>);

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

pub(super) fn counter() -> (AnyExtension, Store, Arc<Mutex<Vec<String>>>) {
    let (store, closed) = (Store::default(), Arc::<Mutex<Vec<String>>>::default());
    let extension = Counter {
        store: store.clone(),
        closed: closed.clone(),
    };
    (extension.into(), store, closed)
}
