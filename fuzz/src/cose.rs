//! Messages with valid signatures, because most inputs would fail at the signature.

use std::sync::LazyLock;

use ed25519_dalek::{Signer, SigningKey};
use secure_runtime_capabilities::{KeyPair, PublicKey};

pub(crate) const SECRET: [u8; 32] = [1; 32];

pub(crate) static KEY: LazyLock<PublicKey> =
    LazyLock::new(|| KeyPair::from_secret(&SECRET).unwrap().public());

/// Returns a COSE_Sign1 message, encoded by RFC 9052 and TOK-41 without the crate's writer.
pub(crate) fn signed(purpose: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut to_be_signed = vec![0x84];
    text(&mut to_be_signed, "Signature1");
    byte_string(&mut to_be_signed, &[0xa1, 0x01, 0x27]);
    byte_string(&mut to_be_signed, purpose);
    byte_string(&mut to_be_signed, payload);
    let signature = SigningKey::from_bytes(&SECRET).sign(&to_be_signed);

    let mut message = vec![0xd2, 0x84];
    byte_string(&mut message, &[0xa1, 0x01, 0x27]);
    message.push(0xa0);
    byte_string(&mut message, payload);
    byte_string(&mut message, &signature.to_bytes());
    message
}

fn text(output: &mut Vec<u8>, text: &str) {
    head(output, 0x60, text.len());
    output.extend_from_slice(text.as_bytes());
}

fn byte_string(output: &mut Vec<u8>, bytes: &[u8]) {
    head(output, 0x40, bytes.len());
    output.extend_from_slice(bytes);
}

/// Encodes the head of an item (RFC 8949 section 3), for lengths that inputs have.
fn head(output: &mut Vec<u8>, major: u8, length: usize) {
    match length {
        0..24 => output.push(major | length as u8),
        24..0x100 => output.extend([major | 24, length as u8]),
        0x100..0x1_0000 => {
            output.push(major | 25);
            output.extend((length as u16).to_be_bytes());
        }
        _ => {
            output.push(major | 26);
            output.extend((length as u32).to_be_bytes());
        }
    }
}
