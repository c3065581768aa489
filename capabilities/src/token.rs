//! Tokens: Biscuits whose signatures hold and whose content is in the profile.

use std::{fmt, iter};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use biscuit_auth::{
    Biscuit, BiscuitBuilder, BlockBuilder,
    datalog::SymbolTable,
    error,
    format::schema::{self, public_key::Algorithm},
};
use prost::Message;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Authority, Block, BlockError, KeyError, KeyPair, MAX_BLOCKS, ProfileError, PublicKey,
    datalog::{self, Place},
    text::quoted,
};

/// Most bytes of a token.
pub const MAX_TOKEN: usize = 16 * 1024;

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
    /// A block signed by a third party.
    #[error("block {block} is signed by a third party, which is not supported")]
    ThirdParty {
        /// The block; 0 is the authority block.
        block: usize,
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
            TokenError::ThirdParty { .. } => "ThirdParty",
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
    biscuit: Biscuit,
    bytes: Zeroizing<Vec<u8>>,
    authority: Authority,
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
        let authority = Authority::new(block.clone())?;
        let biscuit = BiscuitBuilder::new()
            .merge(builder(block, Place::Authority))
            .build_with_key_pair(&root.to_biscuit()?, SymbolTable::new(), &next.to_biscuit()?)
            .map_err(malformed)?;
        Token::assembled(biscuit, authority)
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
        let authority = self.authority.narrow(block)?;
        let biscuit = self
            .biscuit
            .append_with_keypair(&next.to_biscuit()?, builder(block, Place::Later))
            .map_err(|error| match error {
                error::Token::AlreadySealed | error::Token::AppendOnSealed => TokenError::Sealed,
                error => malformed(error),
            })?;
        Token::assembled(biscuit, authority)
    }

    /// This token, closed: nothing can be added to it any more.
    ///
    /// # Errors
    /// [`TokenError::Sealed`] when it was already.
    pub fn seal(&self) -> Result<Token, TokenError> {
        let sealed = self.biscuit.seal().map_err(|error| match error {
            error::Token::AlreadySealed => TokenError::Sealed,
            error => malformed(error),
        })?;
        Token::assembled(sealed, self.authority.clone())
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
        let biscuit = Biscuit::from(bytes, root.to_biscuit()?).map_err(|error| match error {
            error::Token::Format(
                error::Format::Signature(_)
                | error::Format::SealedSignature
                | error::Format::BlockSignatureDeserializationError(_),
            ) => TokenError::Signature,
            error => malformed(error),
        })?;
        let mut symbols = SymbolTable::new();
        let mut authority: Option<Authority> = None;
        for (number, signed) in iter::once(&outer.authority).chain(&outer.blocks).enumerate() {
            let place = if number == 0 {
                Place::Authority
            } else {
                Place::Later
            };
            let block = datalog::decode(&signed.block, place, &mut symbols).map_err(|problem| {
                TokenError::Profile {
                    block: number,
                    problem,
                }
            })?;
            authority = Some(match authority {
                None => Authority::new(block)?,
                Some(authority) => authority.narrow(&block)?,
            });
        }
        let authority = authority.ok_or(TokenError::Malformed {
            cause: "no authority block".to_owned(),
        })?;
        let token = Token::assembled(biscuit, authority)?;
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
        let most = MAX_TOKEN.div_ceil(3) * 4;
        if text.len() > most {
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

    fn assembled(biscuit: Biscuit, authority: Authority) -> Result<Token, TokenError> {
        let bytes = Zeroizing::new(biscuit.to_vec().map_err(malformed)?);
        if bytes.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge { size: bytes.len() });
        }
        Ok(Token {
            biscuit,
            bytes,
            authority,
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

    /// The revocation identifier of every block in hexadecimal, the authority block's first.
    ///
    /// They are the blocks' signatures: name a token by the last of them, never by its bytes.
    pub fn revocation_ids(&self) -> Vec<String> {
        self.biscuit
            .revocation_identifiers()
            .iter()
            .map(hex::encode)
            .collect()
    }

    /// Whether nothing can be added to the token any more.
    pub fn is_sealed(&self) -> bool {
        self.biscuit.container().proof.is_sealed()
    }

    /// The token for the token library's authorizer.
    pub(crate) fn biscuit(&self) -> &Biscuit {
        &self.biscuit
    }
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
        if signed.external_signature.is_some() {
            return Err(TokenError::ThirdParty { block });
        }
        if signed.next_key.algorithm != Algorithm::Ed25519 as i32 {
            return Err(TokenError::Algorithm { block });
        }
    }
    Ok(())
}

fn builder(block: &Block, place: Place) -> BlockBuilder {
    let (facts, checks) = datalog::write(block, place);
    BlockBuilder {
        facts,
        checks,
        ..BlockBuilder::default()
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
