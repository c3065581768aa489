//! Forged tokens that no honest library makes: arbitrary blocks with valid signatures, and blocks changed
//! before they are signed.
use super::block::Tables;
use super::envelope::{Envelope, External, Proof, SignedBlock};
use super::keys::{Key, block_payload, deprecated_external_payload, external_payload, seal_payload};
use super::profile::{Meaning, Position};
use super::wire::{Value, Writer, fields};
use ed25519_dalek::{Signer, SigningKey};

/// A token under construction.
pub(crate) struct Forge {
    envelope: Envelope,
    tables: Tables,
    next: SigningKey,
}

/// The deviations of a block from the profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault {
    pub(crate) edits: Vec<Edit>,
    /// The version of the signed payload. The default is 0, or 1 for a third party.
    pub(crate) version: Option<u32>,
    /// True if the third party signs for another place in a token.
    pub(crate) misplaced: bool,
}

impl Forge {
    pub(crate) fn new(root: &SigningKey) -> Self {
        Self {
            envelope: Envelope {
                blocks: Vec::new(),
                proof: Proof::NextSecret(root.to_bytes().to_vec()),
            },
            tables: Tables::default(),
            next: root.clone(),
        }
    }

    /// Adds a block with this meaning. The previous block's key signs it, and the third party does, if there
    /// is one.
    pub(crate) fn add(&mut self, meaning: &Meaning, third_party: Option<&SigningKey>, fault: &Fault) {
        let key = third_party.map(key_of);
        let position = match (self.envelope.blocks.len(), &key) {
            (_, Some(_)) => Position::ThirdParty,
            (0, None) => Position::Authority,
            (_, None) => Position::Later,
        };
        let mut tables = self.tables.before(key.is_some());
        let payload = meaning.write(position).write(&mut tables);
        if key.is_none() {
            self.tables = tables;
        }
        let payload = fault
            .edits
            .iter()
            .fold(payload, |payload, edit| edit.apply(&payload));

        let before = self.envelope.blocks.last().map(|block| block.signature.clone());
        let version = fault.version.unwrap_or(third_party.is_some().into());
        let next = SigningKey::from_bytes(&[self.envelope.blocks.len() as u8 + 100; 32]);
        let mut block = SignedBlock {
            payload,
            next_key: key_of(&next),
            signature: Vec::new(),
            external: None,
            version,
        };
        if let (Some(secret), Some(key)) = (third_party, key) {
            let before = before.as_deref().filter(|_| !fault.misplaced).unwrap_or(&[7; 64]);
            let payload = match version {
                0 => deprecated_external_payload(&block.payload, self.next.verifying_key().as_bytes()),
                _ => external_payload(version, &block.payload, before),
            };
            block.external = Some(External {
                signature: secret.sign(&payload).to_vec(),
                key,
            });
        }
        let payload = block_payload(&block, before.as_deref());
        block.signature = self.next.sign(&payload).to_vec();
        self.envelope.blocks.push(block);
        self.envelope.proof = Proof::NextSecret(next.to_bytes().to_vec());
        self.next = next;
    }

    pub(crate) fn seal(&mut self) {
        if let Some(last) = self.envelope.blocks.last() {
            let signature = self.next.sign(&seal_payload(last));
            self.envelope.proof = Proof::FinalSignature(signature.to_vec());
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.envelope.write()
    }
}

/// Returns the public key of an honest key pair.
pub(crate) fn key_of(secret: &SigningKey) -> Key {
    Key::new(secret.verifying_key().as_bytes()).unwrap()
}

/// One change of a field in a message, at any depth.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// The number of the field, counted through the whole message.
    pub(crate) field: usize,
    pub(crate) change: Change,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Remove,
    Repeat,
    SwapWithNext,
    Number(u64),
    Add(u64),
    Text(String),
    Insert(u64, u64),
}

/// A message as a tree. Every byte string that can be decoded as a message is treated as one.
#[derive(Clone)]
enum Node {
    Number(u64),
    Bytes(Vec<u8>),
    Message(Vec<(u64, Node)>),
}

impl Edit {
    /// Returns the bytes after the change, or the same bytes if the change does not apply.
    pub(crate) fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(mut nodes) = tree(bytes) else {
            return bytes.to_vec();
        };
        let mut index = self.field % count(&nodes).max(1);
        self.change.apply(&mut nodes, &mut index);
        write(&nodes)
    }
}

impl Change {
    /// Changes the field with this index. Returns true if the field was in these nodes.
    fn apply(&self, nodes: &mut Vec<(u64, Node)>, index: &mut usize) -> bool {
        for place in 0..nodes.len() {
            if *index == 0 {
                self.apply_at(nodes, place);
                return true;
            }
            *index -= 1;
            if let Node::Message(inner) = &mut nodes[place].1
                && self.apply(inner, index)
            {
                return true;
            }
        }
        false
    }

    fn apply_at(&self, nodes: &mut Vec<(u64, Node)>, place: usize) {
        match (self, &mut nodes[place].1) {
            (Self::Remove, _) => {
                nodes.remove(place);
            }
            (Self::Repeat, node) => {
                let node = node.clone();
                nodes.insert(place, (nodes[place].0, node));
            }
            (Self::SwapWithNext, _) => {
                if place + 1 < nodes.len() {
                    nodes.swap(place, place + 1);
                }
            }
            (Self::Number(new), Node::Number(number)) => *number = *new,
            (Self::Add(more), Node::Number(number)) => *number = number.wrapping_add(*more),
            (Self::Text(text), node @ (Node::Bytes(_) | Node::Message(_))) => {
                *node = Node::Bytes(text.clone().into_bytes());
            }
            (Self::Number(_) | Self::Add(_), _) => nodes[place].0 = nodes[place].0 % 8 + 1,
            (Self::Text(text), _) => nodes[place].1 = Node::Bytes(text.clone().into_bytes()),
            (Self::Insert(field, number), _) => nodes.insert(place + 1, (*field, Node::Number(*number))),
        }
    }
}

fn tree(bytes: &[u8]) -> Option<Vec<(u64, Node)>> {
    let nodes = fields("a message", bytes).ok()?.into_iter();
    Some(
        nodes
            .map(|(field, value)| match value {
                Value::Number(number) => (field, Node::Number(number)),
                Value::Bytes(bytes) => match tree(bytes) {
                    Some(inner) if !inner.is_empty() => (field, Node::Message(inner)),
                    _ => (field, Node::Bytes(bytes.to_vec())),
                },
            })
            .collect(),
    )
}

fn count(nodes: &[(u64, Node)]) -> usize {
    nodes
        .iter()
        .map(|(_, node)| match node {
            Node::Message(inner) => 1 + count(inner),
            _ => 1,
        })
        .sum()
}

fn write(nodes: &[(u64, Node)]) -> Vec<u8> {
    nodes
        .iter()
        .fold(Writer::default(), |message, (field, node)| match node {
            Node::Number(number) => message.number(*field, *number),
            Node::Bytes(bytes) => message.bytes(*field, bytes),
            Node::Message(inner) => message.bytes(*field, write(inner)),
        })
        .0
}
