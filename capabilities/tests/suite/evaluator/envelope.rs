//! The outer message: signed blocks and the proof (TOK-1 to TOK-6).
use super::Refusal;
use super::keys::Key;
use super::wire::{Message, Writer};

pub(crate) struct Envelope {
    pub(crate) blocks: Vec<SignedBlock>,
    pub(crate) proof: Proof,
}

#[derive(Clone)]
pub(crate) struct SignedBlock {
    pub(crate) payload: Vec<u8>,
    pub(crate) next_key: Key,
    pub(crate) signature: Vec<u8>,
    pub(crate) external: Option<External>,
    pub(crate) version: u32,
}

/// A third party's signature.
#[derive(Clone)]
pub(crate) struct External {
    pub(crate) signature: Vec<u8>,
    pub(crate) key: Key,
}

pub(crate) enum Proof {
    NextSecret(Vec<u8>),
    FinalSignature(Vec<u8>),
}

const LARGEST_TOKEN: usize = 16_384;
const MOST_BLOCKS: usize = 16;

impl Envelope {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > LARGEST_TOKEN {
            return Err(Refusal::envelope("the token is too large"));
        }
        let mut message = Message::read("the token", bytes)?;
        if message.number(1)?.is_some() {
            return Err(Refusal::envelope("the token has a root key number"));
        }
        let authority = message.required_bytes(2)?;
        let later = message.all_bytes(3)?;
        let proof = message.required_bytes(4)?;
        message.end()?;
        if later.len() >= MOST_BLOCKS {
            return Err(Refusal::envelope("the token has too many blocks"));
        }
        Ok(Self {
            blocks: std::iter::once(authority)
                .chain(later)
                .map(SignedBlock::read)
                .collect::<Result<_, _>>()?,
            proof: Proof::read(proof)?,
        })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut blocks = self.blocks.iter().map(SignedBlock::write);
        Writer::default()
            .bytes(2, blocks.next().unwrap_or_default())
            .all_bytes(3, blocks)
            .bytes(4, self.proof.write())
            .0
    }
}

impl SignedBlock {
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut message = Message::read("a signed block", bytes)?;
        let payload = message.required_bytes(1)?.to_vec();
        let next_key = read_key(message.required_bytes(2)?)?;
        let signature = message.required_bytes(3)?.to_vec();
        let external = message.bytes(4)?.map(External::read).transpose()?;
        let version = match message.number(5)? {
            None => 0,
            Some(version) => u32::try_from(version)
                .map_err(|_| Refusal::envelope("a signature's version is not a 32-bit number"))?,
        };
        message.end()?;
        Ok(Self {
            payload,
            next_key,
            signature,
            external,
            version,
        })
    }

    fn write(&self) -> Vec<u8> {
        let mut message = Writer::default()
            .bytes(1, &self.payload)
            .bytes(2, write_key(&self.next_key))
            .bytes(3, &self.signature);
        if let Some(external) = &self.external {
            message = message.bytes(
                4,
                Writer::default()
                    .bytes(1, &external.signature)
                    .bytes(2, write_key(&external.key))
                    .0,
            );
        }
        if self.version > 0 {
            message = message.number(5, self.version.into());
        }
        message.0
    }
}

impl External {
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut message = Message::read("an external signature", bytes)?;
        let signature = message.required_bytes(1)?.to_vec();
        let key = read_key(message.required_bytes(2)?)?;
        message.end()?;
        Ok(Self { signature, key })
    }
}

impl Proof {
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut message = Message::read("the proof", bytes)?;
        let secret = message.bytes(1)?;
        let signature = message.bytes(2)?;
        message.end()?;
        match (secret, signature) {
            (Some(secret), None) => Ok(Self::NextSecret(secret.to_vec())),
            (None, Some(signature)) => Ok(Self::FinalSignature(signature.to_vec())),
            _ => Err(Refusal::envelope("the proof is not one of two")),
        }
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Self::NextSecret(secret) => Writer::default().bytes(1, secret).0,
            Self::FinalSignature(signature) => Writer::default().bytes(2, signature).0,
        }
    }
}

/// The schema's `PublicKey`, whose algorithm is Ed25519 (number 0).
pub(crate) fn read_key(bytes: &[u8]) -> Result<Key, Refusal> {
    let mut message = Message::read("a public key", bytes)?;
    if message.required_number(1)? != 0 {
        return Err(Refusal::envelope("a public key is not Ed25519"));
    }
    let key = Key::new(message.required_bytes(2)?)?;
    message.end()?;
    Ok(key)
}

pub(crate) fn write_key(key: &Key) -> Vec<u8> {
    Writer::default().number(1, 0).bytes(2, key.as_bytes()).0
}
