//! The `random` family: bytes from the operating system, or derived from the module's hash.

use std::cell::Cell;
use std::sync::Arc;

use secure_runtime_capabilities::{ActionName, Family, Operation, RandomSource};
use secure_runtime_engine::extension::{
    Asked, CapabilityView, Extension, Global, Granted, Methods, OperationError, Origin, Output, Script,
};
use secure_runtime_loaders::ContentHash;

/// Maximum number of bytes that one call returns. `crypto.getRandomValues` of the web has the same limit.
const MAX_BYTES: u32 = 65_536;

/// The family.
pub(crate) struct Random;

/// The source of one capability.
pub(crate) struct Generator {
    source: RandomSource,
    /// The number of blocks that were derived from the module's hash.
    blocks: Cell<u64>,
}

impl Default for Generator {
    fn default() -> Self {
        Generator {
            source: RandomSource::OperatingSystem,
            blocks: Cell::new(0),
        }
    }
}

fn fill(granted: &Granted<'_, Random>, bytes: &mut [u8]) -> Result<(), OperationError> {
    let Generator { source, blocks } = granted.state();
    match source {
        RandomSource::OperatingSystem => getrandom::fill(bytes)
            .map_err(|_| OperationError::system("Error", "EIO", "the operating system gave no random bytes")),
        RandomSource::Seeded => {
            for piece in bytes.chunks_mut(32) {
                let mut input = b"secure-runtime seeded".to_vec();
                input.extend_from_slice(granted.module().as_bytes());
                input.extend_from_slice(&blocks.replace(blocks.get() + 1).to_le_bytes());
                for (byte, made) in piece.iter_mut().zip(ContentHash::of(&input).as_bytes()) {
                    *byte = *made;
                }
            }
            Ok(())
        }
    }
}

type Subject<'a> = (Operation<'a>, std::borrow::Cow<'a, str>);

fn source<'a>(asked: &Asked<'a, Random>) -> Result<Subject<'a>, OperationError> {
    Ok((Operation::random_read(asked.state().source), "random".into()))
}

impl Extension for Random {
    type Program = ();
    type Isolate = ();
    type Capability = Generator;
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Random)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:random/random.js",
            source: include_str!("random.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("random.d.ts")
    }

    fn globals(&self) -> &'static [Global] {
        &[
            Global {
                name: "Math",
                needs: "random",
            },
            Global {
                name: "crypto",
                needs: "",
            },
        ]
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        methods
            .on(ActionName::READ, |asked| {
                // The length is checked first, so that a wrong call decides nothing.
                length(asked.number(0)?)?;
                source(asked)
            })
            .sync("bytes", |granted, arguments| {
                let length = length(arguments.number(0)?)?;
                let held = granted.reserve(length, "making bytes")?;
                let mut bytes = vec![0; length];
                fill(&granted, &mut bytes)?;
                Ok(Output::bytes(bytes, held))
            });
        methods.on(ActionName::READ, source).number("number", |granted| {
            let mut bytes = [0; 8];
            fill(&granted, &mut bytes)?;
            // A double distinguishes 53 bits evenly between 0 and 1.
            Ok((u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64)
        });
    }

    fn capability(
        &self,
        capability: CapabilityView<'_, Self>,
        _origin: Origin<'_, Self>,
    ) -> Result<Generator, OperationError> {
        let holds = |source: RandomSource| {
            let mut granted = capability.effective(ActionName::READ);
            granted.any(|pattern| pattern.matches(source.as_str()))
        };
        let [os, seeded] = [RandomSource::OperatingSystem, RandomSource::Seeded];
        // If nothing is granted, the denial names the operating system.
        let source = if holds(seeded) && !holds(os) { seeded } else { os };
        Ok(Generator {
            source,
            ..Generator::default()
        })
    }
}

/// Returns the number of bytes, which a guest passed as a number.
fn length(number: f64) -> Result<usize, OperationError> {
    // As for every integer argument of an op, a fraction is cut off.
    let number = number.trunc();
    if (0.0..=f64::from(MAX_BYTES)).contains(&number) {
        return Ok(number as usize);
    }
    Err(OperationError::range_error(format!(
        "bytes: the length must be from 0 to {MAX_BYTES}"
    )))
}
