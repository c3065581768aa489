//! Tokens: Biscuits with valid signatures and content in the profile.

use std::{fmt, iter, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use biscuit_auth::{
    Biscuit, UnverifiedBiscuit, error,
    format::{
        SerializedBiscuit,
        convert::proto_block_to_token_block,
        schema::{self, public_key::Algorithm},
    },
};
use prost::Message;
use secure_runtime_text::Cause;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    AttestationRequest, Authority, Block, BlockError, Holder, KeyError, KeyPair, MAX_BLOCKS, ProfileError,
    PublicKey, RevocationId, SignedAttestation,
    attestation::{AttestationProblem, library},
    datalog::{self, Place, Symbols},
    text::quoted,
};

/// Maximum size of a token, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Maximum length of a token's text, in characters.
pub(crate) const MAX_TEXT: usize = MAX_TOKEN.div_ceil(3) * 4;

/// The signature version that binds a third-party block to its place in a token.
const THIRD_PARTY_SIGNATURE: u32 = 1;

/// Error returned when a token is rejected or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token has more than [`MAX_TOKEN`] bytes.
    #[error("the token has {size} bytes; the limit is {MAX_TOKEN}")]
    TooLarge {
        /// The size in bytes.
        size: usize,
    },
    /// The token has more than [`MAX_BLOCKS`] blocks.
    #[error("the token has {count} blocks; the limit is {MAX_BLOCKS}")]
    TooManyBlocks {
        /// The number of blocks.
        count: usize,
    },
    /// The text is not the canonical text form.
    #[error("the token's text is not URL-safe Base64 with its padding: {hint}")]
    Text {
        /// The defect and the correction.
        hint: &'static str,
    },
    /// The bytes are not a Biscuit.
    #[error("this is not a token: {}", quoted(&cause.to_string()))]
    Malformed {
        /// The error of the token library, or of the decoder that it uses.
        #[source]
        cause: Cause,
    },
    /// The key of a third party does not have 32 bytes.
    #[error("this is not a token: `a third party's key has another length than 32 bytes`")]
    ThirdPartyKey,
    /// The token has a root key number, which no signature covers.
    #[error("the token names a root key number, which no signature protects; mint it without")]
    RootKeyNumber,
    /// A key has another algorithm than Ed25519.
    #[error("block {block} uses another algorithm than Ed25519")]
    Algorithm {
        /// The block; 0 is the authority block.
        block: usize,
    },
    /// A third party signed the authority block.
    #[error("the authority block is signed by a third party, which only later blocks may be")]
    ThirdParty,
    /// A third party's signature covers only its block, so it would be valid in any token.
    #[error(
        "block {block} is signed by a third party in the old way, which does not bind it to its token; ask them for a new one"
    )]
    LegacyThirdParty {
        /// The block.
        block: usize,
    },
    /// An attestation, or a request for one, is malformed, for another token, or by another party.
    #[error("the attestation does not fit: {}", quoted(&problem.to_string()))]
    Attestation {
        /// The defect.
        #[source]
        problem: AttestationProblem,
    },
    /// A signature is not valid under this root key.
    #[error("a signature does not hold: the token was changed, or signed by another root key")]
    Signature,
    /// The bytes are a token, but not its canonical encoding.
    #[error("the token's bytes are not its canonical encoding: something was added to them")]
    NotCanonical,
    /// A signed block is outside the profile.
    #[error("block {block} is outside the token profile: {problem}")]
    Profile {
        /// The block; 0 is the authority block.
        block: usize,
        /// The defect of the block.
        #[source]
        problem: ProfileError,
    },
    /// The block cannot be part of this chain, or of any chain.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A block was to be added to a sealed token.
    #[error("the token is sealed: nothing can be added to it")]
    Sealed,
    /// A key could not be generated or used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl TokenError {
    /// Returns the name of the variant, as used in the test vectors.
    pub fn name(&self) -> &'static str {
        match self {
            TokenError::TooLarge { .. } => "TooLarge",
            TokenError::TooManyBlocks { .. } => "TooManyBlocks",
            TokenError::Text { .. } => "Text",
            TokenError::Malformed { .. } => "Malformed",
            TokenError::ThirdPartyKey => "ThirdPartyKey",
            TokenError::RootKeyNumber => "RootKeyNumber",
            TokenError::Algorithm { .. } => "Algorithm",
            TokenError::ThirdParty => "ThirdParty",
            TokenError::LegacyThirdParty { .. } => "LegacyThirdParty",
            TokenError::Attestation { .. } => "Attestation",
            TokenError::Signature => "Signature",
            TokenError::NotCanonical => "NotCanonical",
            TokenError::Profile { .. } => "Profile",
            TokenError::Block(_) => "Block",
            TokenError::Sealed => "Sealed",
            TokenError::Key(_) => "Key",
        }
    }
}

/// A Biscuit whose signatures were verified and whose blocks are in the profile.
///
/// The bytes contain the key that appends the next block. Anyone who has them can use and delegate the token,
/// so they must never reach a guest.
#[derive(Clone)]
pub struct Token {
    root: PublicKey,
    container: SerializedBiscuit,
    bytes: Zeroizing<Vec<u8>>,
    symbols: Symbols,
    authority: Authority,
    /// The token library's form of the token, built on demand because only the oracle needs it.
    biscuit: OnceLock<Biscuit>,
}

impl Token {
    /// Mints a token with this authority block, signed by the root key.
    ///
    /// # Errors
    /// Returns an error if the block or token exceeds a limit.
    pub fn mint(root: &KeyPair, block: &Block) -> Result<Token, TokenError> {
        Token::mint_with(root, block, &KeyPair::generate()?)
    }

    /// [`Token::mint`] with a given key pair for the next block, for reproducible tests.
    pub(crate) fn mint_with(root: &KeyPair, block: &Block, next: &KeyPair) -> Result<Token, TokenError> {
        Authority::new(block.clone())?; // checks the block before it is signed
        let mut symbols = Symbols::default();
        let schema = datalog::write(block, Place::Authority, &mut symbols);
        let (root_key, next) = (root.to_biscuit()?, next.to_biscuit()?);
        let container = proto_block_to_token_block(&schema, None)
            .map_err(error::Token::Format)
            .and_then(|block| SerializedBiscuit::new(None, &root_key, &next, &block))
            .map_err(malformed)?;
        let authority = Authority::begin(block.clone(), last_id(&container))?;
        Token::assembled(root.public(), container, symbols, authority)
    }

    /// Returns this token with one more block. The result never allows more, and no root key is needed.
    ///
    /// # Errors
    /// Returns an error if the token is sealed, or if the block or token exceeds a limit.
    pub fn attenuate(&self, block: &Block) -> Result<Token, TokenError> {
        self.attenuate_with(block, &KeyPair::generate()?)
    }

    /// [`Token::attenuate`] with a given key pair for the block after, for reproducible tests.
    pub(crate) fn attenuate_with(&self, block: &Block, next: &KeyPair) -> Result<Token, TokenError> {
        self.authority.narrow(block)?; // checks the block before it is signed
        let mut symbols = self.symbols.clone();
        let bytes = datalog::encode(block, Place::Later, &mut symbols);
        let container = self
            .container
            .append_serialized(&next.to_biscuit()?, bytes, None)
            .map_err(sealed)?;
        let authority = self.authority.append(block, last_id(&container))?;
        Token::assembled(self.root, container, symbols, authority)
    }

    /// Returns this token, sealed: no block can be added to it.
    ///
    /// # Errors
    /// Returns [`TokenError::Sealed`] if the token is already sealed.
    pub fn seal(&self) -> Result<Token, TokenError> {
        let container = self.container.seal().map_err(sealed)?;
        Token::assembled(self.root, container, self.symbols.clone(), self.authority.clone())
    }

    /// Returns this token, bound to one holder and sealed. The holder can present it, but cannot delegate it
    /// further.
    ///
    /// # Errors
    /// Returns the errors of [`Token::attenuate`].
    pub fn seal_for(&self, holder: Holder) -> Result<Token, TokenError> {
        self.attenuate(&Block::bound_to(holder))?.seal()
    }

    /// Returns the request that a third party signs to attest modules for this token.
    ///
    /// # Errors
    /// [`TokenError::Sealed`].
    pub fn attestation_request(&self) -> Result<AttestationRequest, TokenError> {
        if self.is_sealed() {
            return Err(TokenError::Sealed);
        }
        Ok(AttestationRequest::after(&self.id()))
    }

    /// Returns this token with a block that this third party signed for it.
    ///
    /// # Errors
    /// Returns [`TokenError::Attestation`] if the attestation is by another party or for another token, and
    /// the errors of [`Token::attenuate`].
    pub fn with_attestation(
        &self,
        attestation: &SignedAttestation,
        by: &PublicKey,
    ) -> Result<Token, TokenError> {
        self.with_attestation_and(attestation, by, &KeyPair::generate()?)
    }

    /// [`Token::with_attestation`] with a given key pair for the block after, for reproducible tests.
    pub(crate) fn with_attestation_and(
        &self,
        attestation: &SignedAttestation,
        by: &PublicKey,
        next: &KeyPair,
    ) -> Result<Token, TokenError> {
        if self.is_sealed() {
            return Err(TokenError::Sealed);
        }
        if attestation.by()? != *by {
            return Err(AttestationProblem::By { by: *by }.into());
        }
        let next = next.to_biscuit()?;
        let longer = UnverifiedBiscuit::from(self.as_bytes())
            .and_then(|token| token.append_third_party_with_keypair(attestation.as_bytes(), next))
            .map_err(library)?;
        // The third party's block is not trusted yet, so the whole token is verified again.
        let bytes = longer.to_vec().map_err(malformed)?;
        Token::verify(&bytes, &self.root).map_err(|error| match error {
            TokenError::Signature => AttestationProblem::OtherToken.into(),
            error => error,
        })
    }

    /// Verifies a token. The root key must have signed it, and all of it must be in the profile.
    ///
    /// Size and shape are checked before any signature.
    ///
    /// # Errors
    /// Returns a [`TokenError`] that names the defect and the block.
    pub fn verify(bytes: &[u8], root: &PublicKey) -> Result<Token, TokenError> {
        if bytes.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge { size: bytes.len() });
        }
        let outer =
            schema::Biscuit::decode(bytes).map_err(|error| TokenError::Malformed { cause: error.into() })?;
        check_shape(&outer)?;
        let container =
            SerializedBiscuit::from_slice(bytes, root.to_biscuit()?).map_err(|error| match error {
                error::Format::Signature(_)
                | error::Format::SealedSignature
                | error::Format::BlockSignatureDeserializationError(_) => TokenError::Signature,
                error => malformed(error::Token::Format(error)),
            })?;
        let mut symbols = Symbols::default();
        let mut authority: Option<Authority> = None;
        for (number, signed) in iter::once(&outer.authority).chain(&outer.blocks).enumerate() {
            let place = match (number, &signed.external_signature) {
                (0, _) => Place::Authority,
                (_, None) => Place::Later,
                (_, Some(by)) => Place::ThirdParty(third_party(by)?),
            };
            let block = datalog::decode(&signed.block, place, &mut symbols).map_err(|problem| {
                TokenError::Profile {
                    block: number,
                    problem,
                }
            })?;
            let id = id(&signed.signature);
            authority = Some(match authority {
                None => Authority::begin(block, id)?,
                Some(authority) => authority.append(&block, id)?,
            });
        }
        // The loop ran at least once, because the authority block is not optional in the schema.
        let authority = authority.ok_or_else(|| malformed(error::Token::InternalError))?;
        let token = Token::assembled(*root, container, symbols, authority)?;
        // Signatures do not cover unknown fields and non-canonical encodings of the envelope.
        if token.as_bytes() != bytes {
            return Err(TokenError::NotCanonical);
        }
        Ok(token)
    }

    /// Parses and verifies the text of a token: Base64 in the URL-safe alphabet with padding, and nothing
    /// around it.
    ///
    /// # Errors
    /// Returns an error if the text has another form, and the errors of [`Token::verify`].
    pub fn parse_text(text: &str, root: &PublicKey) -> Result<Token, TokenError> {
        if text.len() > MAX_TEXT {
            return Err(TokenError::TooLarge {
                size: text.len() / 4 * 3,
            });
        }
        let refused = |hint| Err(TokenError::Text { hint });
        if text.is_empty() {
            return refused("it is empty");
        }
        if text.contains(':') {
            return refused("remove the prefix before the token");
        }
        if text.contains(['+', '/']) {
            return refused("it is in the standard alphabet; write `-` for `+` and `_` for `/`");
        }
        if text.contains(char::is_whitespace) {
            return refused("remove spaces and line ends");
        }
        if !text.len().is_multiple_of(4) {
            return refused(
                "its length is not a multiple of 4: it is cut off, or its `=` padding is missing",
            );
        }
        match URL_SAFE.decode(text) {
            Ok(bytes) => Token::verify(&bytes, root),
            Err(_) => refused("use only letters, digits, `-`, `_`, and `=` at the end"),
        }
    }

    fn assembled(
        root: PublicKey,
        container: SerializedBiscuit,
        symbols: Symbols,
        authority: Authority,
    ) -> Result<Token, TokenError> {
        let bytes = container
            .to_vec()
            .map_err(|error| malformed(error::Token::Format(error)))?;
        let bytes = Zeroizing::new(bytes);
        if bytes.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge { size: bytes.len() });
        }
        Ok(Token {
            root,
            container,
            bytes,
            symbols,
            authority,
            biscuit: OnceLock::new(),
        })
    }

    /// Returns the token's bytes. Anyone who has them can use the token.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the token's text. Anyone who has it can use the token.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE.encode(self.bytes.as_slice()))
    }

    /// Returns the blocks, the authority block first.
    pub fn blocks(&self) -> &[Block] {
        self.authority.blocks()
    }

    /// Returns the authority, which decides operations.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the key that signed the authority block.
    pub fn root(&self) -> &PublicKey {
        &self.root
    }

    /// Returns the revocation identifiers of all blocks, the authority block first. They are the blocks'
    /// signatures.
    pub fn revocation_ids(&self) -> Vec<RevocationId> {
        iter::once(&self.container.authority)
            .chain(&self.container.blocks)
            .filter_map(|block| id(block.signature.to_bytes()))
            .collect()
    }

    /// Returns the revocation identifier of the last block. It identifies the token without revealing it.
    pub fn id(&self) -> RevocationId {
        // Verification rejects signatures of another length, so the fallback is never used.
        last_id(&self.container).unwrap_or_else(|| RevocationId::from_bytes([0; 64]))
    }

    /// Returns true if no block can be added to the token.
    pub fn is_sealed(&self) -> bool {
        self.container.proof.is_sealed()
    }

    /// Returns the token in the token library's type, for its authorizer.
    pub(crate) fn biscuit(&self) -> Result<&Biscuit, TokenError> {
        if let Some(biscuit) = self.biscuit.get() {
            return Ok(biscuit);
        }
        let biscuit = Biscuit::from(self.as_bytes(), self.root.to_biscuit()?).map_err(malformed)?;
        Ok(self.biscuit.get_or_init(|| biscuit))
    }
}

/// Converts a signature to the identifier of its block.
fn id(signature: &[u8]) -> Option<RevocationId> {
    signature.try_into().ok().map(RevocationId::from_bytes)
}

fn last_id(container: &SerializedBiscuit) -> Option<RevocationId> {
    let last = container.blocks.last().unwrap_or(&container.authority);
    id(last.signature.to_bytes())
}

/// Returns the key that signed a third-party block. The caller has checked that the algorithm is Ed25519.
fn third_party(signature: &schema::ExternalSignature) -> Result<PublicKey, TokenError> {
    let bytes = signature.public_key.key.as_slice().try_into();
    let bytes = bytes.map_err(|_| TokenError::ThirdPartyKey)?;
    Ok(PublicKey::from_bytes(bytes)?)
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Token")
            .field("blocks", &self.blocks())
            .finish_non_exhaustive()
    }
}

/// Checks everything that needs no signature first, because verifying one takes 50 µs.
fn check_shape(outer: &schema::Biscuit) -> Result<(), TokenError> {
    let count = outer.blocks.len() + 1;
    if count > MAX_BLOCKS {
        return Err(TokenError::TooManyBlocks { count });
    }
    if outer.root_key_id.is_some() {
        return Err(TokenError::RootKeyNumber);
    }
    for (block, signed) in iter::once(&outer.authority).chain(&outer.blocks).enumerate() {
        let mut keys = vec![&signed.next_key];
        if let Some(third_party) = &signed.external_signature {
            if block == 0 {
                return Err(TokenError::ThirdParty);
            }
            if signed.version != Some(THIRD_PARTY_SIGNATURE) {
                return Err(TokenError::LegacyThirdParty { block });
            }
            keys.push(&third_party.public_key);
        }
        if keys.iter().any(|key| key.algorithm != Algorithm::Ed25519 as i32) {
            return Err(TokenError::Algorithm { block });
        }
    }
    Ok(())
}

fn sealed(error: error::Token) -> TokenError {
    match error {
        error::Token::AlreadySealed | error::Token::AppendOnSealed => TokenError::Sealed,
        error => malformed(error),
    }
}

fn malformed(error: error::Token) -> TokenError {
    // The library's inner error is more specific than its outer one.
    let cause = match error {
        error::Token::Format(error) => error.into(),
        error => error.into(),
    };
    TokenError::Malformed { cause }
}
