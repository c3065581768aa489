//! Attestations: a third party vouches for modules without seeing the token.
//!
//! The request and the signed block have Biscuit's formats for third-party blocks. Other Biscuit tools can
//! make or read either one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use biscuit_auth::{
    BlockBuilder, ThirdPartyRequest,
    format::schema::{ThirdPartyBlockContents, ThirdPartyBlockRequest, public_key::Algorithm},
};
use prost::Message;
use secure_runtime_text::Cause;
use thiserror::Error;

use crate::{Attestation, KeyPair, PublicKey, RevocationId, TokenError, datalog, token::MAX_TEXT};

/// The reason why an attestation, or a request for one, does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttestationProblem {
    /// The bytes are not a request in its current form.
    #[error("it is not a request for an attestation")]
    NotARequest,
    /// The text is longer than that of any token.
    #[error("it is too long")]
    TooLong,
    /// The text is not its canonical form.
    #[error("its text is not URL-safe Base64 with its padding")]
    Base64(
        /// The `base64::DecodeError`.
        #[source]
        Cause,
    ),
    /// The attestation has no valid key of its third party.
    #[error("it names no Ed25519 key")]
    NoKey,
    /// Another third party signed the attestation.
    #[error("it is not by {by}")]
    By {
        /// The expected key.
        by: PublicKey,
    },
    /// The signature is not valid after the token's last block.
    #[error("its signature is for another token, or for an earlier or later state of this one")]
    OtherToken,
    /// The token library rejects it.
    #[error("{0}")]
    Library(
        /// The error of the token library, or of the decoder that it uses.
        #[source]
        Cause,
    ),
}

impl From<AttestationProblem> for TokenError {
    fn from(problem: AttestationProblem) -> TokenError {
        TokenError::Attestation { problem }
    }
}

/// A request to sign the next block of one token. It reveals only the token's last signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationRequest(Vec<u8>);

/// A third party's signed block, valid in one token only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAttestation(Vec<u8>);

impl AttestationRequest {
    /// Returns the request for the block that follows the one with this signature.
    pub(crate) fn after(signature: &RevocationId) -> AttestationRequest {
        let request = ThirdPartyBlockRequest {
            legacy_previous_key: None,
            legacy_public_keys: vec![],
            previous_signature: signature.as_bytes().to_vec(),
        };
        AttestationRequest(request.encode_to_vec())
    }

    /// Returns the request as text: Base64 in the URL-safe alphabet with padding.
    pub fn to_text(&self) -> String {
        URL_SAFE.encode(&self.0)
    }

    /// Parses the text of a request.
    ///
    /// # Errors
    /// [`TokenError::Attestation`].
    pub fn parse_text(text: &str) -> Result<AttestationRequest, TokenError> {
        let none = || TokenError::from(AttestationProblem::NotARequest);
        let bytes = decode(text)?;
        let request = ThirdPartyBlockRequest::decode(bytes.as_slice()).map_err(|_| none())?;
        let signature = request
            .previous_signature
            .as_slice()
            .try_into()
            .map_err(|_| none())?;
        // Only the current form is signed. Older forms and unknown fields are rejected.
        let request = AttestationRequest::after(&RevocationId::from_bytes(signature));
        if request.0 == bytes {
            Ok(request)
        } else {
            Err(none())
        }
    }

    /// Signs an attestation of these modules, which are named by their BLAKE3 hashes.
    ///
    /// # Errors
    /// Returns an error if there are no modules, or more than [`crate::MAX_ATTESTED`].
    pub fn sign(
        &self,
        key: &KeyPair,
        modules: impl IntoIterator<Item = [u8; 32]>,
    ) -> Result<SignedAttestation, TokenError> {
        let attestation = Attestation::new(key.public(), modules)?;
        let builder = BlockBuilder {
            facts: datalog::attested(&attestation),
            ..BlockBuilder::default()
        };
        let request = ThirdPartyRequest::deserialize(&self.0).map_err(library)?;
        let signed = request
            .create_block(&key.to_biscuit()?.private(), builder)
            .map_err(library)?;
        Ok(SignedAttestation(signed.serialize().map_err(library)?))
    }
}

impl SignedAttestation {
    /// Returns the attestation as text: Base64 in the URL-safe alphabet with padding.
    pub fn to_text(&self) -> String {
        URL_SAFE.encode(&self.0)
    }

    /// Parses the text of an attestation. [`crate::Token::with_attestation`] checks its signature.
    ///
    /// # Errors
    /// [`TokenError::Attestation`].
    pub fn parse_text(text: &str) -> Result<SignedAttestation, TokenError> {
        let bytes = decode(text)?;
        let attestation = SignedAttestation(bytes);
        attestation.by()?;
        Ok(attestation)
    }

    /// Returns the public key that the attestation names. Its signature is not checked here, but when it is
    /// added to a token.
    pub(crate) fn by(&self) -> Result<PublicKey, TokenError> {
        let contents = ThirdPartyBlockContents::decode(self.0.as_slice()).map_err(library)?;
        let key = contents.external_signature.public_key;
        let bytes: Option<[u8; 32]> = key.key.try_into().ok();
        bytes
            .filter(|_| key.algorithm == Algorithm::Ed25519 as i32)
            .and_then(|bytes| PublicKey::from_bytes(bytes).ok())
            .ok_or_else(|| AttestationProblem::NoKey.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    // No token has room for a longer attestation.
    if text.len() > MAX_TEXT {
        return Err(AttestationProblem::TooLong.into());
    }
    URL_SAFE
        .decode(text)
        .map_err(|error| AttestationProblem::Base64(error.into()).into())
}

/// Converts an error of the token library.
pub(crate) fn library(error: impl Into<Cause>) -> TokenError {
    AttestationProblem::Library(error.into()).into()
}
