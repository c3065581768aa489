//! ECDSA and ECDH over the curves of NIST (FIPS 186-5).

use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use zeroize::Zeroizing;

use super::chance::Stream;
use super::{failed, no_key};
use crate::extensions::OperationError;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// Evaluates an expression in which the name is the crate of the curve.
macro_rules! with_curve {
    ($curve:expr, $name:ident => $body:expr) => {
        match $curve {
            Curve::P256 => {
                use p256 as $name;
                $body
            }
            Curve::P384 => {
                use p384 as $name;
                $body
            }
            Curve::P521 => {
                use p521 as $name;
                $body
            }
        }
    };
}

fn bad_key<E>(_: E) -> OperationError {
    no_key("the key is not one of this curve")
}

impl Curve {
    /// Returns the length of a coordinate or a scalar, in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// Returns a scalar that is evenly distributed among the valid ones.
    pub(super) fn generate(self, chance: &mut Stream) -> Zeroizing<Vec<u8>> {
        let mut scalar = Zeroizing::new(vec![0; self.size()]);
        loop {
            chance.fill(&mut scalar);
            if self == Curve::P521 {
                // The order has 521 bits. Otherwise, only one of 128 candidates would be small enough.
                if let Some(first) = scalar.first_mut() {
                    *first &= 1;
                }
            }
            if self.is_scalar(&scalar) {
                return scalar;
            }
        }
    }

    fn is_scalar(self, scalar: &[u8]) -> bool {
        scalar.len() == self.size()
            && with_curve!(self, curve => curve::SecretKey::from_slice(scalar).is_ok())
    }

    /// Returns the scalar of a private key, if it is valid.
    pub(super) fn scalar(self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, OperationError> {
        match self.is_scalar(bytes) {
            true => Ok(Zeroizing::new(bytes.to_vec())),
            false => Err(bad_key(())),
        }
    }

    /// Returns the point of a public key, uncompressed, if it is on the curve.
    pub(super) fn point(self, bytes: &[u8]) -> Result<Vec<u8>, OperationError> {
        with_curve!(self, curve => {
            let key = curve::PublicKey::from_sec1_bytes(bytes).map_err(bad_key)?;
            Ok(key.to_sec1_point(false).as_bytes().to_vec())
        })
    }

    /// Returns the point of a public key in the form that a JWK has: two coordinates.
    pub(super) fn point_at(self, x: &[u8], y: &[u8]) -> Result<Vec<u8>, OperationError> {
        if x.len() != self.size() || y.len() != self.size() {
            return Err(bad_key(()));
        }
        self.point(&[&[4], x, y].concat())
    }

    /// Returns the point of a private key.
    pub(super) fn point_of(self, scalar: &[u8]) -> Result<Vec<u8>, OperationError> {
        with_curve!(self, curve => {
            let key = curve::SecretKey::from_slice(scalar).map_err(bad_key)?;
            Ok(key.public_key().to_sec1_point(false).as_bytes().to_vec())
        })
    }

    /// Returns the scalar of an `ECPrivateKey` (RFC 5915). If it has a point or a curve, they must be the right ones.
    pub(super) fn scalar_of_der(self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, OperationError> {
        with_curve!(self, curve => {
            let key = curve::SecretKey::from_sec1_der(bytes).map_err(bad_key)?;
            Ok(Zeroizing::new(key.to_bytes().to_vec()))
        })
    }

    /// Returns the private key in PKCS #8.
    pub(super) fn private_der(self, scalar: &[u8]) -> Result<Vec<u8>, OperationError> {
        with_curve!(self, curve => {
            let key = curve::SecretKey::from_slice(scalar).map_err(bad_key)?;
            Ok(key.to_pkcs8_der().map_err(|_| failed())?.as_bytes().to_vec())
        })
    }

    /// Returns the public key in the form of X.509.
    pub(super) fn public_der(self, point: &[u8]) -> Result<Vec<u8>, OperationError> {
        with_curve!(self, curve => {
            let key = curve::PublicKey::from_sec1_bytes(point).map_err(bad_key)?;
            Ok(key.to_public_key_der().map_err(|_| failed())?.as_bytes().to_vec())
        })
    }

    /// Returns the signature of a hash. The secret number of each signature is derived from the key and the hash (RFC
    /// 6979), so a signature needs no chance.
    pub(super) fn sign(self, scalar: &[u8], hash: &[u8]) -> Result<Vec<u8>, OperationError> {
        with_curve!(self, curve => {
            let key = curve::ecdsa::SigningKey::from_slice(scalar).map_err(bad_key)?;
            let signature: curve::ecdsa::Signature = key.sign_prehash(hash).map_err(|_| failed())?;
            Ok(signature.to_bytes().to_vec())
        })
    }

    /// Returns true if the signature is valid.
    pub(super) fn verify(self, point: &[u8], hash: &[u8], signature: &[u8]) -> Result<bool, OperationError> {
        with_curve!(self, curve => {
            let key = curve::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(bad_key)?;
            let Ok(signature) = curve::ecdsa::Signature::from_slice(signature) else {
                return Ok(false);
            };
            Ok(key.verify_prehash(hash, &signature).is_ok())
        })
    }

    /// Returns the first coordinate of the product of a scalar and a point.
    pub(super) fn agree(self, scalar: &[u8], point: &[u8]) -> Result<Vec<u8>, OperationError> {
        with_curve!(self, curve => {
            let private = curve::SecretKey::from_slice(scalar).map_err(bad_key)?;
            let public = curve::PublicKey::from_sec1_bytes(point).map_err(bad_key)?;
            let product = public.to_projective() * *private.to_nonzero_scalar();
            Ok(product.to_affine().x().to_vec())
        })
    }
}
