//! Keys as bytes: raw, in the form of X.509 (`spki`), and in PKCS #8.

use deno_core::{OpState, op2, v8};
use rsa::pkcs8::der::Decode;
use rsa::pkcs8::der::asn1::{AnyRef, OctetStringRef};
use rsa::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::ec::Curve;
use super::{Key, KeyKind, Material, failed, key_object, no_key, result, rsa_keys, wrong_key};
use crate::extensions::{HeldBytes, OperationError};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A form of keys. The numbers are those of `formats` in crypto_algorithms.js.
#[derive(Clone, Copy)]
enum Format {
    Raw,
    Spki,
    Pkcs8,
}

impl Format {
    fn of(number: u32) -> Result<Self, OperationError> {
        Ok(match number {
            0 => Format::Raw,
            1 => Format::Spki,
            2 => Format::Pkcs8,
            _ => return Err(OperationError::type_error("there is no such format")),
        })
    }
}

fn malformed<E>(_: E) -> OperationError {
    no_key("the bytes are not a key of this format")
}

/// Makes a key from bytes.
#[op2]
pub(super) fn op_sr_crypto_import<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    kind: u32,
    format: u32,
    #[buffer] bytes: &[u8],
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let kind = KeyKind::of(kind)?;
    let material = match Format::of(format)? {
        Format::Raw => of_raw(kind, bytes),
        Format::Spki => of_spki(kind, bytes),
        Format::Pkcs8 => of_pkcs8(kind, bytes),
    }?;
    key_object(scope, state, material)
}

fn of_raw(kind: KeyKind, bytes: &[u8]) -> Result<Material, OperationError> {
    let array = || <[u8; 32]>::try_from(bytes).map_err(malformed);
    Ok(match kind {
        KeyKind::Secret => Material::Secret(Zeroizing::new(bytes.to_vec())),
        KeyKind::Ec(curve) => Material::EcPublic(curve, curve.point(bytes)?),
        KeyKind::Ed25519 => Material::Ed25519Public(array()?),
        KeyKind::X25519 => Material::X25519Public(array()?),
        KeyKind::Rsa => return Err(wrong_key()),
    })
}

/// Checks that a key in DER is of this kind.
fn expect(kind: KeyKind, algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), OperationError> {
    let other = || no_key("the key is one of another algorithm");
    let (oid, parameters) = (algorithm.oid, algorithm.parameters);
    let named = |curve: ObjectIdentifier| {
        parameters.is_some_and(|named: AnyRef<'_>| {
            named
                .decode_as::<ObjectIdentifier>()
                .is_ok_and(|named| named == curve)
        })
    };
    let is_right = match kind {
        KeyKind::Secret => false,
        KeyKind::Rsa => oid == RSA && parameters.is_none_or(|parameters| parameters.is_null()),
        KeyKind::Ec(Curve::P256) => oid == EC && named(P256),
        KeyKind::Ec(Curve::P384) => oid == EC && named(P384),
        KeyKind::Ec(Curve::P521) => oid == EC && named(P521),
        KeyKind::Ed25519 => oid == ED25519 && parameters.is_none(),
        KeyKind::X25519 => oid == X25519 && parameters.is_none(),
    };
    is_right.then_some(()).ok_or_else(other)
}

fn of_spki(kind: KeyKind, bytes: &[u8]) -> Result<Material, OperationError> {
    let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(malformed)?;
    expect(kind, &info.algorithm)?;
    let key = info.subject_public_key.as_bytes().ok_or_else(|| malformed(()))?;
    match kind {
        KeyKind::Rsa => rsa_keys::public_of_der(key),
        kind => of_raw(kind, key),
    }
}

fn of_pkcs8(kind: KeyKind, bytes: &[u8]) -> Result<Material, OperationError> {
    let info = PrivateKeyInfoRef::from_der(bytes).map_err(malformed)?;
    expect(kind, &info.algorithm)?;
    let key = info.private_key.as_bytes();
    let array = || -> Result<Zeroizing<[u8; 32]>, OperationError> {
        let inner = <&OctetStringRef>::from_der(key).map_err(malformed)?;
        Ok(Zeroizing::new(inner.as_bytes().try_into().map_err(malformed)?))
    };
    Ok(match kind {
        KeyKind::Rsa => rsa_keys::private_of_der(key)?,
        KeyKind::Ec(curve) => Material::EcPrivate(curve, curve.scalar_of_der(key)?),
        KeyKind::Ed25519 => Material::Ed25519Private(array()?),
        KeyKind::X25519 => Material::X25519Private(array()?),
        KeyKind::Secret => return Err(wrong_key()),
    })
}

/// Returns the bytes of a key. Realm code has checked that the key is extractable.
#[op2]
pub(super) fn op_sr_crypto_export(
    state: &OpState,
    #[cppgc] key: &Key,
    format: u32,
) -> Result<HeldBytes, OperationError> {
    let material = &key.material;
    let bytes = match Format::of(format)? {
        Format::Raw => match material {
            Material::Secret(bytes) => bytes.to_vec(),
            Material::EcPublic(_, point) => point.clone(),
            Material::Ed25519Public(bytes) | Material::X25519Public(bytes) => bytes.to_vec(),
            _ => return Err(wrong_key()),
        },
        Format::Spki => match material {
            Material::RsaPublic(key) => key.to_public_key_der().map_err(|_| failed())?.into_vec(),
            Material::EcPublic(curve, point) => curve.public_der(point)?,
            Material::Ed25519Public(bytes) => spki_of_octets(0x70, bytes),
            Material::X25519Public(bytes) => spki_of_octets(0x6e, bytes),
            _ => return Err(wrong_key()),
        },
        Format::Pkcs8 => match material {
            Material::RsaPrivate(key) => key.to_pkcs8_der().map_err(|_| failed())?.as_bytes().to_vec(),
            Material::EcPrivate(curve, scalar) => curve.private_der(scalar)?,
            Material::Ed25519Private(bytes) => pkcs8_of_octets(0x70, bytes),
            Material::X25519Private(bytes) => pkcs8_of_octets(0x6e, bytes),
            _ => return Err(wrong_key()),
        },
    };
    result(state, bytes)
}

/// Returns a public key of RFC 8410. Everything before the key is constant, except for the end of the algorithm's name.
fn spki_of_octets(algorithm: u8, key: &[u8; 32]) -> Vec<u8> {
    let mut bytes = vec![0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, algorithm, 3, 33, 0];
    bytes.extend_from_slice(key);
    bytes
}

/// Returns a private key of RFC 8410.
fn pkcs8_of_octets(algorithm: u8, key: &[u8; 32]) -> Vec<u8> {
    let mut bytes = vec![
        0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, algorithm, 4, 34, 4, 32,
    ];
    bytes.extend_from_slice(key);
    bytes
}
