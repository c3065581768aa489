//! A strict decoder of the Protocol Buffers wire format. It accepts only the canonical encoding.
use super::Refusal;

/// The value of one field.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// A message whose fields are taken in the order of their numbers. Fields that are unknown, duplicates or out
/// of order are left over at the end, and refused there. So only the canonical encoding is accepted.
pub(crate) struct Message<'a> {
    fields: std::iter::Peekable<std::vec::IntoIter<(u64, Value<'a>)>>,
    name: &'static str,
}

impl<'a> Message<'a> {
    pub(crate) fn read(name: &'static str, bytes: &'a [u8]) -> Result<Self, Refusal> {
        Ok(Self {
            fields: fields(name, bytes)?.into_iter().peekable(),
            name,
        })
    }

    pub(crate) fn number(&mut self, field: u64) -> Result<Option<u64>, Refusal> {
        match self.next(field) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(Value::Bytes(_)) => Err(self.refusal("a number", field)),
        }
    }

    pub(crate) fn bytes(&mut self, field: u64) -> Result<Option<&'a [u8]>, Refusal> {
        match self.next(field) {
            None => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Value::Number(_)) => Err(self.refusal("bytes", field)),
        }
    }

    pub(crate) fn required_number(&mut self, field: u64) -> Result<u64, Refusal> {
        self.number(field)?.ok_or_else(|| self.refusal("a number", field))
    }

    pub(crate) fn required_bytes(&mut self, field: u64) -> Result<&'a [u8], Refusal> {
        self.bytes(field)?.ok_or_else(|| self.refusal("bytes", field))
    }

    pub(crate) fn all_bytes(&mut self, field: u64) -> Result<Vec<&'a [u8]>, Refusal> {
        let mut all = Vec::new();
        while let Some(bytes) = self.bytes(field)? {
            all.push(bytes);
        }
        Ok(all)
    }

    pub(crate) fn end(mut self) -> Result<(), Refusal> {
        match self.fields.next() {
            None => Ok(()),
            Some((field, _)) => Err(Refusal::envelope(format!(
                "{} holds field {field} where it has no place",
                self.name
            ))),
        }
    }

    fn next(&mut self, field: u64) -> Option<Value<'a>> {
        self.fields
            .next_if(|(number, _)| *number == field)
            .map(|(_, value)| value)
    }

    fn refusal(&self, what: &str, field: u64) -> Refusal {
        Refusal::envelope(format!("{} needs {what} in field {field}", self.name))
    }
}

/// Returns the fields of a message, in their encoded order.
pub(crate) fn fields<'a>(name: &str, mut bytes: &'a [u8]) -> Result<Vec<(u64, Value<'a>)>, Refusal> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(name, &mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(name, &mut bytes)?),
            2 => {
                let length = usize::try_from(varint(name, &mut bytes)?).unwrap_or(usize::MAX);
                let (content, rest) = bytes
                    .split_at_checked(length)
                    .ok_or_else(|| Refusal::envelope(format!("{name} is cut off")))?;
                bytes = rest;
                Value::Bytes(content)
            }
            kind => return Err(Refusal::envelope(format!("{name} has wire type {kind}"))),
        };
        fields.push((tag >> 3, value));
    }
    Ok(fields)
}

/// Decodes a number in base 128, least significant digit first, without superfluous digits.
fn varint(name: &str, bytes: &mut &[u8]) -> Result<u64, Refusal> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err(Refusal::envelope(format!("{name} is cut off")));
        };
        *bytes = rest;
        let digit = u64::from(byte & 0x7f);
        if (digit << shift) >> shift != digit || (byte == 0 && shift > 0) {
            break;
        }
        number |= digit << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Refusal::envelope(format!(
        "{name} has a number that is not in its shortest form"
    )))
}

/// A message under construction. Its fields are in the order of the calls.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn number(mut self, field: u64, number: u64) -> Self {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    pub(crate) fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend(bytes.as_ref());
        self
    }

    pub(crate) fn all_bytes<B: AsRef<[u8]>>(self, field: u64, all: impl IntoIterator<Item = B>) -> Self {
        all.into_iter()
            .fold(self, |message, bytes| message.bytes(field, bytes))
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}
