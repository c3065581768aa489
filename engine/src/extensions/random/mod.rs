//! The `random` family: bytes from the operating system, or derived from the module's hash.

use std::cell::Cell;
use std::rc::Rc;

use deno_core::{GarbageCollected, op2, v8};
use secure_runtime_capabilities::{Operation, RandomSource};
use secure_runtime_loaders::ContentHash;

use super::delegation::Chain;
use super::error::OpError;
use super::host_objects::object;
use super::monitor::Capability;
use super::results::{HeldBytes, no_room};

/// Maximum number of bytes that one call returns. `crypto.getRandomValues` of the web has the same limit.
const MAX_BYTES: u32 = 65_536;

/// The Rust object behind a guest's `random` object.
pub(crate) struct RandomCapability {
    capability: Rc<Capability>,
    source: RandomSource,
    /// The number of blocks that were derived from the module's hash.
    blocks: Cell<u64>,
}

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for RandomCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"RandomCapability"
    }
}

impl RandomCapability {
    fn new(capability: Rc<Capability>) -> Self {
        let holds = |source: RandomSource| {
            let operation = Operation::random_read(source);
            capability
                .authority
                .effective(operation.family(), operation.action())
                .any(|pattern| pattern.matches(operation.resource()))
        };
        let [os, seeded] = [RandomSource::OperatingSystem, RandomSource::Seeded];
        // If nothing is granted, the denial names the operating system.
        let source = if holds(seeded) && !holds(os) { seeded } else { os };
        RandomCapability {
            capability,
            source,
            blocks: Cell::new(0),
        }
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), OpError> {
        self.capability
            .check(&Operation::random_read(self.source), "random")?;
        match self.source {
            RandomSource::OperatingSystem => getrandom::fill(bytes)
                .map_err(|_| OpError::system("Error", "EIO", "the operating system gave no random bytes")),
            RandomSource::Seeded => {
                for piece in bytes.chunks_mut(32) {
                    let mut input = b"secure-runtime seeded".to_vec();
                    input.extend_from_slice(self.capability.principal.hash.as_bytes());
                    input.extend_from_slice(&self.blocks.replace(self.blocks.get() + 1).to_le_bytes());
                    for (byte, made) in piece.iter_mut().zip(ContentHash::of(&input).as_bytes()) {
                        *byte = *made;
                    }
                }
                Ok(())
            }
        }
    }
}

#[op2]
pub(crate) fn op_sr_random<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] chain: &Chain,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    object(scope, RandomCapability::new(chain.0.clone()))
}

#[op2]
pub(crate) fn op_sr_random_bytes(
    #[cppgc] random: &RandomCapability,
    #[number] length: i64,
) -> Result<HeldBytes, OpError> {
    let length = u32::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_BYTES)
        .ok_or_else(|| OpError::range_error(format!("bytes: the length must be from 0 to {MAX_BYTES}")))?;
    let held = random.capability.monitor.memory.hold_now(length as usize);
    let held = held.map_err(|why| no_room("making bytes", "random", why))?;
    let mut bytes = vec![0; length as usize];
    random.fill(&mut bytes)?;
    Ok(HeldBytes::new(bytes, held))
}

#[op2(fast)]
pub(crate) fn op_sr_random_number(#[cppgc] random: &RandomCapability) -> Result<f64, OpError> {
    let mut bytes = [0; 8];
    random.fill(&mut bytes)?;
    // A double distinguishes 53 bits evenly between 0 and 1.
    Ok((u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64)
}
