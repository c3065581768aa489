//! The `clock` family: the time of day, rounded down to the granted resolution.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{ActionName, Family, Operation, Resolution};
use secure_runtime_engine::extension::{
    CapabilityView, Extension, Global, Methods, OperationError, Origin, Script,
};

/// The family.
pub(crate) struct Clock;

/// The resolution of one capability.
pub(crate) struct Resolved {
    /// The finest resolution that the authority allows. If it allows none, the denial names the coarsest one.
    resolution: Resolution,
    /// The length of a step of the clock, in microseconds.
    step: u64,
}

impl Default for Resolved {
    fn default() -> Self {
        Resolved::at(Resolution::Second)
    }
}

impl Resolved {
    fn at(resolution: Resolution) -> Self {
        Resolved {
            resolution,
            step: u64::try_from(resolution.step().as_micros()).unwrap_or(u64::MAX),
        }
    }
}

const fn of_all(name: &'static str, needs: &'static str) -> Global {
    Global { name, needs }
}

impl Extension for Clock {
    type Program = ();
    type Isolate = ();
    type Capability = Resolved;
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Clock)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:clock/clock.js",
            source: include_str!("clock.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("clock.d.ts")
    }

    fn globals(&self) -> &'static [Global] {
        const GLOBALS: &[Global] = &[
            of_all("Date", ""),
            of_all("Intl", "DateTimeFormat"),
            Global {
                ..of_all("performance", "")
            },
        ];
        GLOBALS
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        methods
            .on(ActionName::READ, |asked| {
                let resolution = asked.state().resolution;
                Ok((Operation::clock_read(resolution), resolution.as_str().into()))
            })
            .number("now", |granted| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                // 64 bits of microseconds last for 584,000 years. A division of 128 bits is slow.
                let micros = since
                    .as_secs()
                    .saturating_mul(1_000_000)
                    .saturating_add(u64::from(since.subsec_micros()));
                Ok((micros - micros % granted.state().step) as f64 / 1000.0)
            });
    }

    fn capability(
        &self,
        capability: CapabilityView<'_, Self>,
        _origin: Origin<'_, Self>,
    ) -> Result<Resolved, OperationError> {
        let finest = Resolution::ALL.into_iter().find(|resolution| {
            let mut granted = capability.effective(ActionName::READ);
            granted.any(|pattern| pattern.matches(resolution.as_str()))
        });
        Ok(finest.map_or_else(Resolved::default, Resolved::at))
    }
}
