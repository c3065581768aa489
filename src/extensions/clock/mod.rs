//! The `clock` family: the time of day, no finer than was granted.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use deno_core::{GarbageCollected, op2, v8};
use secure_runtime_capabilities::{Operation, Resolution};

use super::delegation::Chain;
use super::error::OpError;
use super::gate::Capability;

/// What a guest's `clock` object stands for.
pub(crate) struct ClockCapability {
    capability: Rc<Capability>,
    /// The finest resolution that the authority allows; None where it allows none.
    finest: Option<Resolution>,
}

impl ClockCapability {
    fn new(capability: Rc<Capability>) -> Self {
        let finest = Resolution::ALL.into_iter().find(|resolution| {
            let operation = Operation::clock_read(*resolution);
            capability
                .authority
                .effective(operation.family(), operation.action())
                .any(|pattern| pattern.matches(operation.resource()))
        });
        ClockCapability { capability, finest }
    }
}

// SAFETY: it holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for ClockCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"ClockCapability"
    }
}

#[op2]
#[cppgc]
pub(crate) fn op_sr_clock(#[cppgc] chain: &Chain) -> ClockCapability {
    ClockCapability::new(chain.0.clone())
}

#[op2(fast)]
pub(crate) fn op_sr_clock_now(#[cppgc] clock: &ClockCapability) -> Result<f64, OpError> {
    // Where nothing is granted, the coarsest resolution is what is refused.
    let resolution = clock.finest.unwrap_or(Resolution::Second);
    clock
        .capability
        .check(&Operation::clock_read(resolution), resolution.as_str())?;
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    let step = resolution.step().as_micros();
    let micros = since - since % step;
    Ok(micros as f64 / 1000.0)
}
