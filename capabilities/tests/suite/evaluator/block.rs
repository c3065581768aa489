//! The Datalog of a block, decoded from bytes and encoded to them: symbols, public keys, facts and checks.
use super::Refusal;
use super::datalog::{Check, Instruction, Operator, Predicate, Query, Term};
use super::envelope::{read_key, write_key};
use super::keys::Key;
use super::wire::{Message, Writer};

/// The default symbols in Biscuit's specification. The numbers of a token's own symbols begin at `FIRST_OWN`.
const DEFAULT_SYMBOLS: [&str; 28] = [
    "read",
    "write",
    "resource",
    "operation",
    "right",
    "time",
    "role",
    "owner",
    "tenant",
    "namespace",
    "user",
    "team",
    "service",
    "admin",
    "email",
    "group",
    "member",
    "ip_address",
    "client",
    "client_ip",
    "domain",
    "path",
    "version",
    "cluster",
    "node",
    "hostname",
    "nonce",
    "query",
];
const FIRST_OWN: usize = 1024;
/// The name of a check's alternatives. It has no meaning.
const QUERY: &str = "query";

/// The strings and keys that numbers in a block refer to: those of earlier blocks and its own.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    symbols: Vec<String>,
    keys: Vec<Key>,
}

/// The part of a block that the profile uses.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Block {
    pub(crate) version: u32,
    pub(crate) facts: Vec<Predicate>,
    pub(crate) checks: Vec<Check>,
}

impl Tables {
    /// Returns the tables at the start of a block. A third party knows nothing of the token, so its tables
    /// are empty. They also lack its own key, although Biscuit's specification includes it. TOK-32 counts
    /// only keys of tables, like Biscuit's libraries.
    pub(crate) fn before(&self, third_party: bool) -> Self {
        if third_party {
            Self::default()
        } else {
            self.clone()
        }
    }

    fn learn(&mut self, key: &Key) -> usize {
        self.keys
            .iter()
            .position(|known| known == key)
            .unwrap_or_else(|| {
                self.keys.push(*key);
                self.keys.len() - 1
            })
    }

    fn symbol(&self, number: u64) -> Result<String, Refusal> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        DEFAULT_SYMBOLS
            .get(number)
            .copied()
            .or_else(|| Some(self.symbols.get(number.checked_sub(FIRST_OWN)?)?.as_str()))
            .map(str::to_owned)
            .ok_or_else(|| Refusal::envelope(format!("there is no symbol {number}")))
    }

    fn number(&mut self, symbol: &str) -> u64 {
        if let Some(number) = DEFAULT_SYMBOLS.iter().position(|known| *known == symbol) {
            return number as u64;
        }
        let own = self.symbols.iter().position(|known| known == symbol);
        let own = own.unwrap_or_else(|| {
            self.symbols.push(symbol.to_owned());
            self.symbols.len() - 1
        });
        (FIRST_OWN + own) as u64
    }
}

impl Block {
    /// Decodes a block, and adds its symbols and keys to the tables.
    pub(crate) fn read(bytes: &[u8], tables: &mut Tables) -> Result<Self, Refusal> {
        let mut message = Message::read("a block", bytes)?;
        for symbol in message.all_bytes(1)? {
            let symbol = str::from_utf8(symbol).map_err(|_| Refusal::envelope("a symbol is not UTF-8"))?;
            tables.symbols.push(symbol.to_owned());
        }
        if message.bytes(2)?.is_some() {
            return Err(Refusal::envelope("it has a context"));
        }
        let version = u32::try_from(message.required_number(3)?)
            .map_err(|_| Refusal::envelope("its version is not a 32-bit number"))?;
        let facts = message.all_bytes(4)?;
        if !message.all_bytes(5)?.is_empty() {
            return Err(Refusal::envelope("it has a rule"));
        }
        let checks = message.all_bytes(6)?;
        if !message.all_bytes(7)?.is_empty() {
            return Err(Refusal::envelope("it trusts others as a whole"));
        }
        for key in message.all_bytes(8)? {
            tables.keys.push(read_key(key)?);
        }
        message.end()?;
        Ok(Self {
            version,
            facts: facts
                .into_iter()
                .map(|fact| read_fact(fact, tables))
                .collect::<Result<_, _>>()?,
            checks: checks
                .into_iter()
                .map(|check| read_check(check, tables))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Returns the canonical encoding of the block after others: symbols and keys in the order of their first
    /// use.
    pub(crate) fn write(&self, tables: &mut Tables) -> Vec<u8> {
        let (known_symbols, known_keys) = (tables.symbols.len(), tables.keys.len());
        let mut facts = Vec::new();
        for fact in &self.facts {
            let predicate = write_predicate(fact, tables);
            facts.push(Writer::default().bytes(1, predicate).0);
        }
        let mut checks = Vec::new();
        for Check(queries) in &self.checks {
            let queries: Vec<_> = queries.iter().map(|query| write_query(query, tables)).collect();
            checks.push(Writer::default().all_bytes(1, queries).0);
        }
        Writer::default()
            .all_bytes(1, tables.symbols.iter().skip(known_symbols))
            .number(3, self.version.into())
            .all_bytes(4, facts)
            .all_bytes(6, checks)
            .all_bytes(8, tables.keys.iter().skip(known_keys).map(write_key))
            .0
    }
}

fn read_fact(bytes: &[u8], tables: &Tables) -> Result<Predicate, Refusal> {
    let mut message = Message::read("a fact", bytes)?;
    let predicate = read_predicate(message.required_bytes(1)?, tables)?;
    message.end()?;
    if predicate
        .terms
        .iter()
        .any(|term| matches!(term, Term::Variable(_)))
    {
        return Err(Refusal::envelope("a fact has a variable"));
    }
    Ok(predicate)
}

fn read_check(bytes: &[u8], tables: &Tables) -> Result<Check, Refusal> {
    let mut message = Message::read("a check", bytes)?;
    let queries = message.all_bytes(1)?;
    if message.number(2)?.is_some() {
        return Err(Refusal::envelope("a check is not `check if`"));
    }
    message.end()?;
    queries
        .into_iter()
        .map(|query| read_query(query, tables))
        .collect::<Result<_, _>>()
        .map(Check)
}

fn read_query(bytes: &[u8], tables: &Tables) -> Result<Query, Refusal> {
    let mut message = Message::read("an alternative", bytes)?;
    let head = read_predicate(message.required_bytes(1)?, tables)?;
    if head.name != QUERY || !head.terms.is_empty() {
        return Err(Refusal::envelope("an alternative's head is not `query()`"));
    }
    let body = message.all_bytes(2)?;
    let expressions = message.all_bytes(3)?;
    let scopes = message.all_bytes(4)?;
    message.end()?;
    if scopes.len() > 1 {
        return Err(Refusal::envelope("an alternative trusts more than one"));
    }
    let scope = scopes.first().map(|scope| read_scope(scope, tables));
    Ok(Query {
        body: body
            .into_iter()
            .map(|predicate| read_predicate(predicate, tables))
            .collect::<Result<_, _>>()?,
        expressions: expressions
            .into_iter()
            .map(|expression| read_expression(expression, tables))
            .collect::<Result<_, _>>()?,
        trusting: scope.transpose()?,
    })
}

fn write_query(query: &Query, tables: &mut Tables) -> Vec<u8> {
    let head = Writer::default().number(1, tables.number(QUERY)).0;
    let body: Vec<_> = query
        .body
        .iter()
        .map(|predicate| write_predicate(predicate, tables))
        .collect();
    let expressions: Vec<_> = query
        .expressions
        .iter()
        .map(|expression| write_expression(expression, tables))
        .collect();
    let scope = query
        .trusting
        .map(|key| Writer::default().number(2, tables.learn(&key) as u64).0);
    Writer::default()
        .bytes(1, head)
        .all_bytes(2, body)
        .all_bytes(3, expressions)
        .all_bytes(4, scope)
        .0
}

fn read_scope(bytes: &[u8], tables: &Tables) -> Result<Key, Refusal> {
    let mut message = Message::read("a scope", bytes)?;
    let number = message.required_number(2)?;
    message.end()?;
    usize::try_from(number)
        .ok()
        .and_then(|number| tables.keys.get(number))
        .copied()
        .ok_or_else(|| Refusal::envelope(format!("there is no public key {number}")))
}

fn read_predicate(bytes: &[u8], tables: &Tables) -> Result<Predicate, Refusal> {
    let mut message = Message::read("a predicate", bytes)?;
    let name = tables.symbol(message.required_number(1)?)?;
    let terms = message.all_bytes(2)?;
    message.end()?;
    Ok(Predicate {
        name,
        terms: terms
            .into_iter()
            .map(|term| read_term(term, tables))
            .collect::<Result<_, _>>()?,
    })
}

fn write_predicate(predicate: &Predicate, tables: &mut Tables) -> Vec<u8> {
    let name = tables.number(&predicate.name);
    let terms: Vec<_> = predicate
        .terms
        .iter()
        .map(|term| write_term(term, tables))
        .collect();
    Writer::default().number(1, name).all_bytes(2, terms).0
}

fn read_term(bytes: &[u8], tables: &Tables) -> Result<Term, Refusal> {
    let mut message = Message::read("a term", bytes)?;
    let term = if let Some(variable) = message.number(1)? {
        let variable =
            u32::try_from(variable).map_err(|_| Refusal::envelope("a variable is not a 32-bit number"))?;
        Term::Variable(tables.symbol(variable.into())?)
    } else if let Some(integer) = message.number(2)? {
        Term::Integer(integer.cast_signed())
    } else if let Some(text) = message.number(3)? {
        Term::Text(tables.symbol(text)?)
    } else if let Some(date) = message.number(4)? {
        Term::Date(date)
    } else if let Some(truth @ (0 | 1)) = message.number(6)? {
        Term::Truth(truth == 1)
    } else {
        return Err(Refusal::envelope("a term is of a type outside the profile"));
    };
    message.end()?;
    Ok(term)
}

fn write_term(term: &Term, tables: &mut Tables) -> Vec<u8> {
    let (field, number) = match term {
        Term::Variable(name) => (1, tables.number(name)),
        Term::Integer(integer) => (2, integer.cast_unsigned()),
        Term::Text(text) => (3, tables.number(text)),
        Term::Date(date) => (4, *date),
        Term::Truth(truth) => (6, (*truth).into()),
    };
    Writer::default().number(field, number).0
}

fn read_expression(bytes: &[u8], tables: &Tables) -> Result<Vec<Instruction>, Refusal> {
    let mut message = Message::read("an expression", bytes)?;
    let instructions = message.all_bytes(1)?;
    message.end()?;
    instructions
        .into_iter()
        .map(|instruction| read_instruction(instruction, tables))
        .collect()
}

fn read_instruction(bytes: &[u8], tables: &Tables) -> Result<Instruction, Refusal> {
    let mut message = Message::read("an instruction", bytes)?;
    let instruction = if let Some(term) = message.bytes(1)? {
        Instruction::Push(read_term(term, tables)?)
    } else if let Some(binary) = message.bytes(3)? {
        let mut operator = Message::read("an operator", binary)?;
        let number = operator.required_number(1)?;
        operator.end()?;
        Instruction::Apply(match number {
            0 => Operator::LessThan,
            2 => Operator::LessOrEqual,
            3 => Operator::GreaterOrEqual,
            6 => Operator::StartsWith,
            7 => Operator::EndsWith,
            _ => {
                return Err(Refusal::envelope(format!(
                    "operator {number} is outside the profile"
                )));
            }
        })
    } else {
        return Err(Refusal::envelope("an instruction is outside the profile"));
    };
    message.end()?;
    Ok(instruction)
}

fn write_expression(expression: &[Instruction], tables: &mut Tables) -> Vec<u8> {
    let instructions: Vec<_> = expression
        .iter()
        .map(|instruction| match instruction {
            Instruction::Push(term) => Writer::default().bytes(1, write_term(term, tables)).0,
            Instruction::Apply(operator) => {
                let operator = Writer::default().number(1, *operator as u64).0;
                Writer::default().bytes(3, operator).0
            }
        })
        .collect();
    Writer::default().all_bytes(1, instructions).0
}
