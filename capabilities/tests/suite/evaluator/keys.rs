//! Keys and signatures: the validity of public keys (TOK-2), and the signed payloads (TOK-4).
use super::Refusal;
use super::envelope::{Envelope, Proof, SignedBlock};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

/// A valid Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(VerifyingKey);

impl Key {
    /// Checks that the bytes are the canonical encoding of a point of prime order.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, Refusal> {
        bytes
            .try_into()
            .ok()
            .and_then(|bytes| VerifyingKey::from_bytes(bytes).ok())
            .filter(|key| {
                let point = key.to_edwards();
                point.compress().as_bytes() == key.as_bytes()
                    && point.is_torsion_free()
                    && !point.is_small_order()
            })
            .map(Self)
            .ok_or_else(|| Refusal::envelope("a public key is not valid"))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    fn verify(&self, payload: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        Signature::from_slice(signature)
            .and_then(|signature| self.0.verify_strict(payload, &signature))
            .map_err(|_| Refusal::envelope("a signature is not valid"))
    }
}

/// Verifies every signature of the token, and its proof.
pub(crate) fn verify(token: &Envelope, root: &Key) -> Result<(), Refusal> {
    let mut key = *root;
    let mut previous: Option<&SignedBlock> = None;
    for block in &token.blocks {
        let signature_before = previous.map(|block| block.signature.as_slice());
        let oldest = block.external.is_some().into();
        if !(oldest..=1).contains(&block.version) {
            return Err(Refusal::envelope(format!(
                "a signature is of version {}",
                block.version
            )));
        }
        if let Some(external) = &block.external {
            let Some(signature_before) = signature_before else {
                return Err(Refusal::block(0, "it is signed by a third party"));
            };
            external.key.verify(
                &external_payload(block.version, &block.payload, signature_before),
                &external.signature,
            )?;
        }
        key.verify(&block_payload(block, signature_before), &block.signature)?;
        key = block.next_key;
        previous = Some(block);
    }
    let last = previous.ok_or_else(|| Refusal::envelope("the token has no blocks"))?;
    match &token.proof {
        Proof::NextSecret(secret) => {
            let secret = secret
                .as_slice()
                .try_into()
                .map_err(|_| Refusal::envelope("the proof is not a private key"))?;
            if SigningKey::from_bytes(secret).verifying_key() != key.0 {
                return Err(Refusal::envelope("the proof does not fit the last block"));
            }
            Ok(())
        }
        Proof::FinalSignature(signature) => key.verify(&seal_payload(last), signature),
    }
}

/// Returns the payload that the previous block's key signs (Biscuit's specification, "Signed payload
/// generation").
pub(crate) fn block_payload(block: &SignedBlock, signature_before: Option<&[u8]>) -> Vec<u8> {
    let external = block
        .external
        .as_ref()
        .map(|external| external.signature.as_slice());
    if block.version == 0 {
        return [
            &block.payload,
            external.unwrap_or_default(),
            ALGORITHM,
            block.next_key.as_bytes(),
        ]
        .concat();
    }
    let mut payload = [
        b"\0BLOCK\0\0VERSION\0",
        block.version.to_le_bytes().as_slice(),
        b"\0PAYLOAD\0",
        &block.payload,
        b"\0ALGORITHM\0",
        ALGORITHM,
        b"\0NEXTKEY\0",
        block.next_key.as_bytes(),
    ]
    .concat();
    if let Some(signature) = signature_before {
        payload.extend([b"\0PREVSIG\0", signature].concat());
    }
    if let Some(signature) = external {
        payload.extend([b"\0EXTERNALSIG\0", signature].concat());
    }
    payload
}

/// Returns the payload that a third party signs: its block, and the signature of the block before.
pub(crate) fn external_payload(version: u32, payload: &[u8], signature_before: &[u8]) -> Vec<u8> {
    [
        b"\0EXTERNAL\0\0VERSION\0",
        version.to_le_bytes().as_slice(),
        b"\0PAYLOAD\0",
        payload,
        b"\0PREVSIG\0",
        signature_before,
    ]
    .concat()
}

/// Returns the payload that a third party signed before version 1: its block, and the key of the block
/// before.
pub(crate) fn deprecated_external_payload(payload: &[u8], key_before: &[u8]) -> Vec<u8> {
    [payload, ALGORITHM, key_before].concat()
}

/// Returns the payload that the last key signs to seal a token.
pub(crate) fn seal_payload(last: &SignedBlock) -> Vec<u8> {
    [
        &last.payload,
        ALGORITHM,
        last.next_key.as_bytes(),
        &last.signature,
    ]
    .concat()
}

/// The number of Ed25519 in the Biscuit schema, encoded for signatures.
const ALGORITHM: &[u8] = &[0; 4];
