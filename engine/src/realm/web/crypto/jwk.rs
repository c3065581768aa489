//! Keys as JSON (RFC 7517, RFC 7518, RFC 8037). Realm code reads and writes the fields that say what a key is for. The
//! numbers are here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deno_core::{OpState, op2, v8};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Key, KeyKind, Material, key_object, no_key, okp, rsa_keys};
use crate::extensions::OperationError;

/// The numbers of a key, each in base64url.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Jwk {
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn decoded(field: &Option<String>) -> Result<Zeroizing<Vec<u8>>, OperationError> {
    let text = field
        .as_ref()
        .ok_or_else(|| no_key("a field of the key is missing"))?;
    let bytes = URL_SAFE_NO_PAD.decode(text);
    let bytes = bytes.map_err(|_| no_key("a field of the key is not base64url"))?;
    Ok(Zeroizing::new(bytes))
}

fn encoded(bytes: &[u8]) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn array(field: &Option<String>) -> Result<Zeroizing<[u8; 32]>, OperationError> {
    let bytes = decoded(field)?;
    let bytes = bytes.as_slice().try_into();
    Ok(Zeroizing::new(bytes.map_err(|_| {
        no_key("a field of the key does not have 32 bytes")
    })?))
}

fn inconsistent() -> OperationError {
    no_key("the fields of the key do not belong together")
}

/// Makes a key from the fields of a JWK. It is private if `d` is there.
#[op2]
pub(super) fn op_sr_crypto_import_jwk<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    kind: u32,
    #[serde] jwk: Jwk,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let material = imported(KeyKind::of(kind)?, &jwk)?;
    key_object(scope, state, material)
}

fn imported(kind: KeyKind, jwk: &Jwk) -> Result<Material, OperationError> {
    let public = match kind {
        KeyKind::Secret => return Ok(Material::Secret(decoded(&jwk.k)?)),
        KeyKind::Rsa if jwk.d.is_none() => return rsa_keys::public_of(&decoded(&jwk.n)?, &decoded(&jwk.e)?),
        KeyKind::Rsa => return private_rsa(jwk),
        KeyKind::Ec(curve) => {
            Material::EcPublic(curve, curve.point_at(&decoded(&jwk.x)?, &decoded(&jwk.y)?)?)
        }
        KeyKind::Ed25519 => Material::Ed25519Public(*array(&jwk.x)?),
        KeyKind::X25519 => Material::X25519Public(*array(&jwk.x)?),
    };
    if jwk.d.is_none() {
        return Ok(public);
    }
    // A public key that is not that of the private one would be used for one purpose and shown for another.
    match &public {
        Material::EcPublic(curve, point) => {
            let scalar = curve.scalar(&decoded(&jwk.d)?)?;
            let is_its = curve.point_of(&scalar)? == *point;
            is_its.then(|| Material::EcPrivate(*curve, scalar))
        }
        Material::Ed25519Public(bytes) => {
            let seed = array(&jwk.d)?;
            (okp::ed25519_public(&seed) == *bytes).then_some(Material::Ed25519Private(seed))
        }
        Material::X25519Public(bytes) => {
            let scalar = array(&jwk.d)?;
            (okp::x25519_public(&scalar) == *bytes).then_some(Material::X25519Private(scalar))
        }
        _ => None,
    }
    .ok_or_else(inconsistent)
}

fn private_rsa(jwk: &Jwk) -> Result<Material, OperationError> {
    let [n, e, d, p, q] = [&jwk.n, &jwk.e, &jwk.d, &jwk.p, &jwk.q].map(decoded);
    let key = rsa_keys::private_of(&n?, &e?, &d?, &p?, &q?)?;
    // These numbers follow from the others, so ours are used. They must be there, and must be the same.
    let (dp, dq, qi) = derived(&key).ok_or_else(inconsistent)?;
    for (ours, theirs) in [(dp, &jwk.dp), (dq, &jwk.dq), (qi, &jwk.qi)] {
        if rsa_keys::trimmed(&ours) != rsa_keys::trimmed(&decoded(theirs)?) {
            return Err(inconsistent());
        }
    }
    Ok(Material::RsaPrivate(Box::new(key)))
}

type Number = Zeroizing<Vec<u8>>;

/// Returns the numbers that make a private operation faster.
fn derived(key: &rsa::PrivateKey) -> Option<(Number, Number, Number)> {
    let number = |number: &rsa::BoxedUint| Zeroizing::new(number.to_be_bytes_trimmed_vartime().into_vec());
    Some((
        number(key.dp()?),
        number(key.dq()?),
        number(&key.crt_coefficient()?),
    ))
}

/// Returns the fields of a key. Realm code has checked that the key is extractable.
#[op2]
#[serde]
pub(super) fn op_sr_crypto_export_jwk(#[cppgc] key: &Key) -> Result<Jwk, OperationError> {
    let mut jwk = Jwk::default();
    let public = match key.material.is_private() {
        true => Some(key.material.public()?),
        false => None,
    };
    match public.as_ref().unwrap_or(&key.material) {
        Material::Secret(bytes) => jwk.k = encoded(bytes),
        Material::RsaPublic(key) => {
            jwk.n = encoded(&key.n_bytes());
            jwk.e = encoded(&key.e_bytes());
        }
        Material::EcPublic(curve, point) => {
            let coordinates = point
                .split_first()
                .and_then(|(_, both)| both.split_at_checked(curve.size()));
            let (x, y) = coordinates.ok_or_else(inconsistent)?;
            (jwk.x, jwk.y) = (encoded(x), encoded(y));
        }
        Material::Ed25519Public(bytes) | Material::X25519Public(bytes) => jwk.x = encoded(bytes),
        _ => {}
    }
    match &key.material {
        Material::RsaPrivate(key) => {
            let (dp, dq, qi) = derived(key).ok_or_else(inconsistent)?;
            let mut primes = key
                .primes()
                .iter()
                .map(|prime| Zeroizing::new(prime.as_ref().to_be_bytes_trimmed_vartime()));
            jwk.d = encoded(&Zeroizing::new(key.d().to_be_bytes_trimmed_vartime()));
            jwk.p = primes.next().and_then(|prime| encoded(&prime));
            jwk.q = primes.next().and_then(|prime| encoded(&prime));
            (jwk.dp, jwk.dq, jwk.qi) = (encoded(&dp), encoded(&dq), encoded(&qi));
        }
        Material::EcPrivate(_, scalar) => jwk.d = encoded(scalar),
        Material::Ed25519Private(bytes) | Material::X25519Private(bytes) => jwk.d = encoded(&bytes[..]),
        _ => {}
    }
    Ok(jwk)
}
