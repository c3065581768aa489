//! The `env` family: environment variables of the process, or those that the embedder provides instead.

use std::rc::Rc;

use deno_core::{GarbageCollected, OpState, op2, v8};
use secure_runtime_capabilities::{Operation, VariableName};

use super::delegation::Chain;
use super::error::{OpError, clipped};
use super::host_objects::object;
use super::monitor::Capability;

/// The Rust object behind a guest's `env` object.
pub(crate) struct EnvCapability {
    capability: Rc<Capability>,
    variables: Variables,
}

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for EnvCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"EnvCapability"
    }
}

/// A function that returns the value of a variable.
pub type Variables = std::sync::Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

#[op2]
pub(crate) fn op_sr_env<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[cppgc] chain: &Chain,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    let capability = chain.0.clone();
    let variables = state.borrow::<Variables>().clone();
    object(
        scope,
        EnvCapability {
            capability,
            variables,
        },
    )
}

#[op2]
#[string]
pub(crate) fn op_sr_env_get(
    #[cppgc] env: &EnvCapability,
    #[string] name: &str,
) -> Result<Option<String>, OpError> {
    let checked = VariableName::parse(name)
        .map_err(|error| OpError::type_error(format!("variable {:?}: {error}", clipped(name))))?;
    env.capability.check(&Operation::env_read(checked), name)?;
    Ok((env.variables)(checked.as_str()))
}
