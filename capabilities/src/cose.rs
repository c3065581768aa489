//! COSE_Sign1 messages (RFC 9052) in one canonical encoding, signed with Ed25519. Every signed format of this
//! crate uses them, except tokens.

use cbor4ii::core::{
    Value,
    dec::Decode,
    enc::Encode,
    types,
    utils::{BufWriter, SliceReader},
};

use crate::{KeyPair, PublicKey};

/// COSE_Sign1 (tag 18) with four items: the protected header is `{1: -8}`, and the unprotected one is empty.
const ENVELOPE: [u8; 7] = [0xd2, 0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0];

/// Error returned when bytes are not a message signed by the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoseError {
    /// The bytes are not the canonical encoding of a message.
    Malformed(&'static str),
    /// The signature is not valid under the key.
    Signature,
}

/// Returns the signed message with this payload. The signature also covers the purpose, which is not sent. A
/// message for one purpose is therefore invalid for any other.
pub(crate) fn sign(key: &KeyPair, purpose: &[u8], payload: Vec<u8>) -> Result<Vec<u8>, CoseError> {
    let signature = key.sign(&to_be_signed(purpose, &payload)?);
    let mut bytes = ENVELOPE.to_vec();
    bytes.extend(encode(&Value::Bytes(payload))?);
    bytes.extend(encode(&Value::Bytes(signature.to_vec()))?);
    Ok(bytes)
}

/// Returns the payload of a message, if this key signed it for this purpose.
pub(crate) fn open<'a>(bytes: &'a [u8], key: &PublicKey, purpose: &[u8]) -> Result<&'a [u8], CoseError> {
    let rest = bytes.strip_prefix(&ENVELOPE).ok_or(CoseError::Malformed(
        "it does not begin like a COSE_Sign1 message with EdDSA",
    ))?;
    let (signed, signature) = rest
        .split_last_chunk::<64>()
        .ok_or(CoseError::Malformed("it is cut off"))?;
    let payload = signed
        .strip_suffix(&[0x58, 64])
        .and_then(byte_string)
        .ok_or(CoseError::Malformed(
            "its payload or its signature is not a byte string of the right length",
        ))?;
    if key.verify(&to_be_signed(purpose, payload)?, signature) {
        Ok(payload)
    } else {
        Err(CoseError::Signature)
    }
}

/// Decodes the CBOR item at the start of these bytes. It accepts non-canonical encodings, so callers must
/// encode the item again and compare.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    Value::decode(&mut SliceReader::new(bytes)).ok()
}

/// Encodes the item in deterministic CBOR. The caller must sort the keys of maps.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>, CoseError> {
    let mut writer = BufWriter::new(Vec::new());
    let written = value.encode(&mut writer);
    written.map_err(|_| CoseError::Malformed("it cannot be encoded"))?;
    Ok(writer.into_inner())
}

/// Encodes the `Sig_structure` of RFC 9052 section 4.4.
fn to_be_signed(purpose: &[u8], payload: &[u8]) -> Result<Vec<u8>, CoseError> {
    let part = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let protected = [0xa1, 0x01, 0x27];
    encode(&Value::Array(vec![
        Value::Text("Signature1".to_owned()),
        part(&protected),
        part(purpose),
        part(payload),
    ]))
}

/// Returns the content of a byte string, if its shortest encoding is exactly these bytes.
fn byte_string(bytes: &[u8]) -> Option<&[u8]> {
    let types::Bytes(content) = types::Bytes::<&[u8]>::decode(&mut SliceReader::new(bytes)).ok()?;
    let again = encode(&Value::Bytes(content.to_vec())).ok()?;
    (again == bytes).then_some(content)
}
