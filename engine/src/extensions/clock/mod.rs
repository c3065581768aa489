//! The `clock` family: the time of day, rounded down to the granted resolution.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use deno_core::{GarbageCollected, op2, v8};
use secure_runtime_capabilities::{Operation, Resolution};

use super::delegation::Chain;
use super::error::OpError;
use super::host_objects::object;
use super::monitor::Capability;

/// The Rust object behind a guest's `clock` object.
pub(crate) struct ClockCapability {
    capability: Rc<Capability>,
    /// The finest resolution that the authority allows, or None if it allows none.
    finest: Option<Resolution>,
    /// The length of a step of the clock, in microseconds.
    step: u64,
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
        let step = finest.unwrap_or(Resolution::Second).step();
        ClockCapability {
            capability,
            finest,
            step: u64::try_from(step.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for ClockCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"ClockCapability"
    }
}

#[op2]
pub(crate) fn op_sr_clock<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] chain: &Chain,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    object(scope, ClockCapability::new(chain.0.clone()))
}

#[op2(fast)]
pub(crate) fn op_sr_clock_now(#[cppgc] clock: &ClockCapability) -> Result<f64, OpError> {
    // If nothing is granted, the denial names the coarsest resolution.
    let resolution = clock.finest.unwrap_or(Resolution::Second);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    clock.capability.check_at(
        &Operation::clock_read(resolution),
        resolution.as_str(),
        since.as_secs(),
    )?;
    // 64 bits of microseconds last for 584,000 years. A division of 128 bits is slow.
    let micros = since
        .as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(u64::from(since.subsec_micros()));
    Ok((micros - micros % clock.step) as f64 / 1000.0)
}
