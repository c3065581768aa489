//! The `env` family: environment variables of the process, or those that the embedder provides instead.

use std::sync::Arc;

use secure_runtime_capabilities::{ActionName, Family, Operation, VariableName};
use secure_runtime_engine::extension::{Extension, Methods, OperationError, Script, clipped};

/// A function that returns the value of a variable.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The family.
pub(crate) struct Env(pub(crate) Variables);

impl Extension for Env {
    type Program = ();
    type Isolate = ();
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Env)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:env/env.js",
            source: include_str!("env.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("env.d.ts")
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        methods
            .on(ActionName::READ, |asked| {
                let name = asked.text(0)?;
                let checked = VariableName::parse(name).map_err(|error| {
                    OperationError::type_error(format!("variable {:?}: {error}", clipped(name)))
                })?;
                Ok((Operation::env_read(checked), name.into()))
            })
            .text("get", |granted| Ok((granted.extension().0)(granted.resource())));
    }
}
