//! Tokens: Biscuits whose signatures hold and whose content is in the profile.

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
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    AttestationRequest, Authority, Block, BlockError, Holder, KeyError, KeyPair, MAX_BLOCKS, ProfileError,
    PublicKey, RevocationId, SignedAttestation,
    attestation::refused,
    datalog::{self, Place, Symbols},
    text::quoted,
};

/// Most bytes of a token.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Most characters of a token's text.
pub(crate) const MAX_TEXT: usize = MAX_TOKEN.div_ceil(3) * 4;

/// The signature version that binds a third party's block to its place in a token.
const THIRD_PARTY_SIGNATURE: u32 = 1;

/// Why a token was refused, or could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// More than [`MAX_TOKEN`] bytes.
    #[error("the token has {size} bytes; the limit is {MAX_TOKEN}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// More than [`MAX_BLOCKS`] blocks.
    #[error("the token has {count} blocks; the limit is {MAX_BLOCKS}")]
    TooManyBlocks {
        /// How many blocks it has.
        count: usize,
    },
    /// Text that is not the one text form.
    #[error("the token's text is not URL-safe Base64 with its padding: {hint}")]
    Text {
        /// What is wrong, and what to do.
        hint: &'static str,
    },
    /// Bytes that are no Biscuit.
    #[error("this is not a token: {}", quoted(cause))]
    Malformed {
        /// What the decoder says.
        cause: String,
    },
    /// A root key number, which is outside all signatures.
    #[error("the token names a root key number, which no signature protects; mint it without")]
    RootKeyNumber,
    /// Keys of another algorithm than Ed25519.
    #[error("block {block} uses another algorithm than Ed25519")]
    Algorithm {
        /// The block; 0 is the authority block.
        block: usize,
    },
    /// An authority block that a third party signed.
    #[error("the authority block is signed by a third party, which only later blocks may be")]
    ThirdParty,
    /// A third party's signature that covers its block alone, and so would hold in any token.
    #[error(
        "block {block} is signed by a third party in the old way, which does not bind it to its token; ask them for a new one"
    )]
    LegacyThirdParty {
        /// The block.
        block: usize,
    },
    /// An attestation, or a request for one, that is none, or not for this token, or by another party.
    #[error("the attestation does not fit: {}", quoted(cause))]
    Attestation {
        /// What is wrong.
        cause: String,
    },
    /// A signature that does not hold, under this root key.
    #[error("a signature does not hold: the token was changed, or signed by another root key")]
    Signature,
    /// Bytes that mean a token, but are not the one encoding of it.
    #[error("the token's bytes are not its canonical encoding: something was added to them")]
    NotCanonical,
    /// A signed block that is outside the profile.
    #[error("block {block} is outside the token profile: {problem}")]
    Profile {
        /// The block; 0 is the authority block.
        block: usize,
        /// What is wrong with it.
        problem: ProfileError,
    },
    /// A block that no chain, or not this one, can have.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// An attempt to add to a sealed token.
    #[error("the token is sealed: nothing can be added to it")]
    Sealed,
    /// A key that could not be made or used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl TokenError {
    /// The name of the variant, as the test vectors have it.
    pub fn name(&self) -> &'static str {
        match self {
            TokenError::TooLarge { .. } => "TooLarge",
            TokenError::TooManyBlocks { .. } => "TooManyBlocks",
            TokenError::Text { .. } => "Text",
            TokenError::Malformed { .. } => "Malformed",
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
/// Its bytes hold the key that appends the next block: who has them can use and delegate the token. They
/// are never given to a guest.
#[derive(Clone)]
pub struct Token {
    root: PublicKey,
    container: SerializedBiscuit,
    bytes: Zeroizing<Vec<u8>>,
    symbols: Symbols,
    authority: Authority,
    /// For the token library's own evaluation, which few need.
    biscuit: OnceLock<Biscuit>,
}

impl Token {
    /// A new token that this root key signs: its authority block.
    ///
    /// # Errors
    /// A block or token that is over a limit.
    pub fn mint(root: &KeyPair, block: &Block) -> Result<Token, TokenError> {
        Token::mint_with(root, block, &KeyPair::generate()?)
    }

    /// [`Token::mint`] with the key pair that signs the next block: for reproducible tests.
    pub(crate) fn mint_with(root: &KeyPair, block: &Block, next: &KeyPair) -> Result<Token, TokenError> {
        Authority::new(block.clone())?; // says what is wrong with a block before it is signed
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

    /// This token with one more block. It can only shrink, and needs no root key.
    ///
    /// # Errors
    /// A sealed token, or a block or token that is over a limit.
    pub fn attenuate(&self, block: &Block) -> Result<Token, TokenError> {
        self.attenuate_with(block, &KeyPair::generate()?)
    }

    /// [`Token::attenuate`] with the key pair that signs the block after: for reproducible tests.
    pub(crate) fn attenuate_with(&self, block: &Block, next: &KeyPair) -> Result<Token, TokenError> {
        self.authority.narrow(block)?; // says what is wrong with a block before it is signed
        let mut symbols = self.symbols.clone();
        let bytes = datalog::encode(block, Place::Later, &mut symbols);
        let container = self
            .container
            .append_serialized(&next.to_biscuit()?, bytes, None)
            .map_err(sealed)?;
        let authority = self.authority.append(block, last_id(&container))?;
        Token::assembled(self.root, container, symbols, authority)
    }

    /// This token, closed: nothing can be added to it any more.
    ///
    /// # Errors
    /// [`TokenError::Sealed`] when it was already.
    pub fn seal(&self) -> Result<Token, TokenError> {
        let container = self.container.seal().map_err(sealed)?;
        Token::assembled(self.root, container, self.symbols.clone(), self.authority.clone())
    }

    /// This token for this holder alone, and closed: what can be given to others to present as theirs, and to nobody else.
    ///
    /// # Errors
    /// As [`Token::attenuate`].
    pub fn seal_for(&self, holder: Holder) -> Result<Token, TokenError> {
        self.attenuate(&Block::bound_to(holder))?.seal()
    }

    /// What a third party signs to attest modules to the holders of this token.
    ///
    /// # Errors
    /// [`TokenError::Sealed`].
    pub fn attestation_request(&self) -> Result<AttestationRequest, TokenError> {
        if self.is_sealed() {
            return Err(TokenError::Sealed);
        }
        Ok(AttestationRequest::after(&self.id()))
    }

    /// This token with a block that this third party signed for it.
    ///
    /// # Errors
    /// [`TokenError::Attestation`] for one of another party or for another token, and as [`Token::attenuate`].
    pub fn with_attestation(
        &self,
        attestation: &SignedAttestation,
        by: &PublicKey,
    ) -> Result<Token, TokenError> {
        self.with_attestation_and(attestation, by, &KeyPair::generate()?)
    }

    /// [`Token::with_attestation`] with the key pair that signs the block after: for reproducible tests.
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
            return Err(TokenError::Attestation {
                cause: format!("it is not by {by}"),
            });
        }
        let next = next.to_biscuit()?;
        let longer = UnverifiedBiscuit::from(self.as_bytes())
            .and_then(|token| token.append_third_party_with_keypair(attestation.as_bytes(), next))
            .map_err(refused)?;
        // What the third party wrote is known only now.
        let bytes = longer.to_vec().map_err(malformed)?;
        Token::verify(&bytes, &self.root).map_err(|error| match error {
            TokenError::Signature => TokenError::Attestation {
                cause: "its signature is for another token, or for an earlier or later state of this one"
                    .to_owned(),
            },
            error => error,
        })
    }

    /// The token of these bytes, when this root key signed it and all of it is in the profile.
    ///
    /// Size and shape are checked before any signature.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong, and in which block.
    pub fn verify(bytes: &[u8], root: &PublicKey) -> Result<Token, TokenError> {
        if bytes.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge { size: bytes.len() });
        }
        let outer = schema::Biscuit::decode(bytes).map_err(|error| TokenError::Malformed {
            cause: error.to_string(),
        })?;
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
        let authority = authority.ok_or(TokenError::Malformed {
            cause: "no authority block".to_owned(),
        })?;
        let token = Token::assembled(*root, container, symbols, authority)?;
        // Unknown fields and other spellings of the envelope are outside the signatures.
        if token.as_bytes() != bytes {
            return Err(TokenError::NotCanonical);
        }
        Ok(token)
    }

    /// The token of its text: Base64 in the URL-safe alphabet with padding, and nothing around it.
    ///
    /// # Errors
    /// Other text, and as [`Token::verify`].
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

    /// The token's bytes. They give the token away.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The token's text. It gives the token away.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE.encode(self.bytes.as_slice()))
    }

    /// The blocks, the authority block first.
    pub fn blocks(&self) -> &[Block] {
        self.authority.blocks()
    }

    /// What decisions are made on.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The key that signed the authority block.
    pub fn root(&self) -> &PublicKey {
        &self.root
    }

    /// The revocation identifier of every block, the authority block's first: the blocks' signatures.
    pub fn revocation_ids(&self) -> Vec<RevocationId> {
        iter::once(&self.container.authority)
            .chain(&self.container.blocks)
            .filter_map(|block| id(block.signature.to_bytes()))
            .collect()
    }

    /// What the token is named by: its last block's revocation identifier, never its bytes.
    pub fn id(&self) -> RevocationId {
        // A signature of another length is no Ed25519 signature, and was refused.
        last_id(&self.container).unwrap_or_else(|| RevocationId::from_bytes([0; 64]))
    }

    /// Whether nothing can be added to the token any more.
    pub fn is_sealed(&self) -> bool {
        self.container.proof.is_sealed()
    }

    /// The token for the token library's authorizer.
    pub(crate) fn biscuit(&self) -> Result<&Biscuit, TokenError> {
        if let Some(biscuit) = self.biscuit.get() {
            return Ok(biscuit);
        }
        let biscuit = Biscuit::from(self.as_bytes(), self.root.to_biscuit()?).map_err(malformed)?;
        Ok(self.biscuit.get_or_init(|| biscuit))
    }
}

/// The identifier that a signature is.
fn id(signature: &[u8]) -> Option<RevocationId> {
    signature.try_into().ok().map(RevocationId::from_bytes)
}

fn last_id(container: &SerializedBiscuit) -> Option<RevocationId> {
    let last = container.blocks.last().unwrap_or(&container.authority);
    id(last.signature.to_bytes())
}

/// Who signed a third party's block; that it is an Ed25519 key was checked before.
fn third_party(signature: &schema::ExternalSignature) -> Result<PublicKey, TokenError> {
    let bytes = signature.public_key.key.as_slice().try_into();
    let bytes = bytes.map_err(|_| TokenError::Malformed {
        cause: "a third party's key has another length than 32 bytes".to_owned(),
    })?;
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

/// What must hold before signatures are worth their time: 50 µs each.
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
    // The outer error of the library says less than the one inside.
    let cause = match error {
        error::Token::Format(error) => error.to_string(),
        error => error.to_string(),
    };
    TokenError::Malformed { cause }
}
