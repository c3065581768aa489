//! Values that cross between JavaScript and the Rust code of an extension.

use deno_core::v8;
use deno_error::JsErrorBox;

use super::error::OperationError;
use super::results::{HeldBytes, HeldText, no_room};
use crate::js_engine;
use crate::memory::{Memory, Reservation};

/// Maximum depth of nested lists and records.
const MOST_DEPTH: usize = 32;
/// Memory of a value besides its text or bytes.
const EACH: usize = 64;

/// A value of an argument or a result.
///
/// On its way to JavaScript, bytes become a `Uint8Array`, a list an array, and a record an object. On its way to Rust,
/// `undefined` becomes `Null`. Other values, such as functions, are rejected.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null` or `undefined`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text. Halves of surrogate pairs become U+FFFD.
    Text(String),
    /// A copy of the bytes of a view.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// The own enumerable properties of an object, in order.
    Record(Vec<(String, Value)>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Number(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Number(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Value::List(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl Value {
    /// Returns true if the value is a list that contains this text.
    pub fn has_flag(&self, name: &str) -> bool {
        match self {
            Value::List(flags) => flags
                .iter()
                .any(|flag| matches!(flag, Value::Text(flag) if flag == name)),
            _ => false,
        }
    }

    /// Returns the memory that the value takes, in bytes.
    pub fn size(&self) -> usize {
        EACH + match self {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(items) => items.iter().map(Value::size).sum(),
            Value::Record(fields) => fields.iter().map(|(name, value)| name.len() + value.size()).sum(),
        }
    }
}

/// The arguments of a call, which were read once.
pub struct Arguments {
    values: Vec<Value>,
    /// Counts the memory of the arguments until the method has finished.
    _held: Reservation,
}

impl Arguments {
    /// Returns all arguments, in order.
    pub fn all(&self) -> &[Value] {
        &self.values
    }

    /// Returns the argument at this position, or null if there is none.
    pub fn get(&self, position: usize) -> &Value {
        self.values.get(position).unwrap_or(&Value::Null)
    }

    /// Removes the argument at this position, and returns it.
    pub fn take(&mut self, position: usize) -> Value {
        let value = self.values.get_mut(position);
        value.map_or(Value::Null, |value| std::mem::replace(value, Value::Null))
    }

    /// Returns the text at this position.
    ///
    /// # Errors
    /// The argument is not a text.
    pub fn text(&self, position: usize) -> Result<&str, OperationError> {
        match self.get(position) {
            Value::Text(text) => Ok(text),
            _ => Err(wrong(position, "a text")),
        }
    }

    /// Removes the text at this position, and returns it.
    ///
    /// # Errors
    /// The argument is not a text.
    pub fn take_text(&mut self, position: usize) -> Result<String, OperationError> {
        match self.take(position) {
            Value::Text(text) => Ok(text),
            _ => Err(wrong(position, "a text")),
        }
    }

    /// Removes the bytes at this position, and returns them.
    ///
    /// # Errors
    /// The argument is not bytes.
    pub fn take_bytes(&mut self, position: usize) -> Result<Vec<u8>, OperationError> {
        match self.take(position) {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(wrong(position, "bytes")),
        }
    }

    /// Returns the number at this position.
    ///
    /// # Errors
    /// The argument is not a number.
    pub fn number(&self, position: usize) -> Result<f64, OperationError> {
        match self.get(position) {
            Value::Number(number) => Ok(*number),
            _ => Err(wrong(position, "a number")),
        }
    }

    /// Returns true if the argument at this position is a list that contains this text.
    pub fn has_flag(&self, position: usize, name: &str) -> bool {
        self.get(position).has_flag(name)
    }

    /// Returns the texts in the list at this position.
    pub fn flags(&self, position: usize) -> Vec<String> {
        let Value::List(flags) = self.get(position) else {
            return Vec::new();
        };
        let texts = flags.iter().filter_map(|flag| match flag {
            Value::Text(flag) => Some(flag.clone()),
            _ => None,
        });
        texts.collect()
    }
}

pub(super) fn wrong(position: usize, what: &str) -> OperationError {
    OperationError::type_error(format!("argument {} must be {what}", position + 1))
}

/// The result of a method.
pub struct Output(pub(super) Kind);

pub(super) enum Kind {
    Value(Value, Option<Reservation>),
    Bytes(HeldBytes),
    Text(HeldText),
}

impl<T: Into<Value>> From<T> for Output {
    fn from(value: T) -> Self {
        Output(Kind::Value(value.into(), None))
    }
}

impl From<()> for Output {
    fn from((): ()) -> Self {
        Output(Kind::Value(Value::Null, None))
    }
}

impl Output {
    /// Returns bytes that were reserved already.
    pub fn bytes(bytes: Vec<u8>, reserved: Reservation) -> Self {
        Output(Kind::Bytes(HeldBytes::new(bytes, reserved)))
    }

    /// Returns a text that was reserved already.
    pub fn text(text: String, reserved: Reservation) -> Self {
        Output(Kind::Text(HeldText::new(text, reserved)))
    }

    /// Returns a value that was reserved already.
    pub fn reserved(value: Value, reserved: Reservation) -> Self {
        Output(Kind::Value(value, Some(reserved)))
    }

    /// Reserves the memory of a value for which the extension has not reserved any.
    pub(super) fn counted(self, memory: &Memory, name: &str) -> Result<Self, OperationError> {
        match self.0 {
            // Small results are gone as soon as they are converted.
            Kind::Value(value, None) if !matches!(value, Value::Null | Value::Bool(_) | Value::Number(_)) => {
                let held = memory.hold_now(value.size());
                let held = held.map_err(|why| no_room("returning", name, why))?;
                Ok(Output(Kind::Value(value, Some(held))))
            }
            _ => Ok(self),
        }
    }
}

impl<'s> deno_core::ToV8<'s> for Output {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'s, 'i>) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
        match self.0 {
            Kind::Value(value, held) => {
                let mut held = held;
                if let Some(held) = &mut held {
                    held.delivered();
                }
                to_engine(scope, value, &mut held)
            }
            Kind::Bytes(bytes) => bytes.to_v8(scope),
            Kind::Text(text) => text.to_v8(scope),
        }
    }
}

fn full() -> JsErrorBox {
    JsErrorBox::range_error("the engine cannot make another value")
}

/// Creates the engine's value. `held` counts its memory. Bytes stay counted until the engine has released them.
fn to_engine<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: Value,
    held: &mut Option<Reservation>,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    Ok(match value {
        Value::Null => v8::null(scope).into(),
        Value::Bool(value) => v8::Boolean::new(scope, value).into(),
        Value::Number(value) => v8::Number::new(scope, value).into(),
        Value::Text(text) => {
            let text = v8::String::new(scope, &text);
            text.ok_or_else(|| JsErrorBox::range_error("the text is longer than a string can be"))?
                .into()
        }
        Value::Bytes(bytes) => {
            let length = bytes.len();
            let held = held.as_mut().map(|held| held.split(length));
            let buffer = match held {
                Some(held) if length > 0 => js_engine::buffer(scope, bytes.into_boxed_slice(), held),
                _ => v8::ArrayBuffer::new(scope, 0),
            };
            v8::Uint8Array::new(scope, buffer, 0, length)
                .ok_or_else(full)?
                .into()
        }
        Value::List(items) => {
            let items: Result<Vec<_>, _> = items
                .into_iter()
                .map(|item| to_engine(scope, item, held))
                .collect();
            v8::Array::new_with_elements(scope, &items?).into()
        }
        Value::Record(fields) => {
            let object = v8::Object::new(scope);
            for (name, value) in fields {
                let name = v8::String::new(scope, &name).ok_or_else(full)?;
                let value = to_engine(scope, value, held)?;
                // Unlike `set`, this calls no setter, also for a field `__proto__`.
                object
                    .create_data_property(scope, name.into(), value)
                    .ok_or_else(full)?;
            }
            object.into()
        }
    })
}

/// Reads a list of arguments. Every part is reserved before it is copied.
pub(super) fn arguments(
    scope: &mut v8::PinScope<'_, '_>,
    list: v8::Local<'_, v8::Array>,
    memory: &Memory,
    name: &str,
) -> Result<Arguments, OperationError> {
    let mut reader = Reader {
        memory,
        name,
        held: None,
        count: 0,
    };
    let mut values = Vec::new();
    for at in 0..list.length() {
        let value = list.get_index(scope, at).ok_or_else(unreadable)?;
        values.push(reader.read(scope, value, MOST_DEPTH)?);
    }
    let held = match reader.held {
        Some(held) => held,
        None => memory.hold(0),
    };
    Ok(Arguments { values, _held: held })
}

struct Reader<'a> {
    memory: &'a Memory,
    name: &'a str,
    held: Option<Reservation>,
    /// The number of bytes that were read, with those that are not reserved yet.
    count: usize,
}

fn unreadable() -> OperationError {
    OperationError::type_error("an argument cannot be read")
}

impl Reader<'_> {
    /// Reserves memory for so many more bytes. Small arguments are not counted, because they exist only for a moment
    /// unless the operation is pending, and pending operations are counted.
    fn count(&mut self, bytes: usize) -> Result<(), OperationError> {
        const SMALL: usize = 1024;
        self.count = self.count.saturating_add(bytes);
        if self.count <= SMALL {
            return Ok(());
        }
        let more = if self.held.is_some() { bytes } else { self.count };
        let held = self.memory.hold_now(more);
        let held = held.map_err(|why| no_room("reading the arguments of", self.name, why))?;
        match &mut self.held {
            Some(all) => all.join(held),
            None => self.held = Some(held),
        }
        Ok(())
    }

    fn read(
        &mut self,
        scope: &mut v8::PinScope<'_, '_>,
        value: v8::Local<'_, v8::Value>,
        depth: usize,
    ) -> Result<Value, OperationError> {
        let depth = depth.checked_sub(1).ok_or_else(|| {
            OperationError::range_error(format!("arguments are nested at most {MOST_DEPTH} deep"))
        })?;
        if value.is_string() {
            let text: v8::Local<v8::String> = value.try_into().map_err(|_| unreadable())?;
            self.count(EACH + text.utf8_length(scope))?;
            return Ok(Value::Text(text.to_rust_string_lossy(scope)));
        }
        self.count(EACH)?;
        if value.is_null_or_undefined() {
            return Ok(Value::Null);
        }
        if value.is_number() {
            return Ok(Value::Number(value.number_value(scope).ok_or_else(unreadable)?));
        }
        if value.is_boolean() {
            return Ok(Value::Bool(value.is_true()));
        }
        if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(value) {
            self.count(view.byte_length())?;
            let mut bytes = vec![0; view.byte_length()];
            let copied = view.copy_contents(&mut bytes);
            bytes.truncate(copied);
            return Ok(Value::Bytes(bytes));
        }
        if let Ok(list) = v8::Local::<v8::Array>::try_from(value) {
            let mut items = Vec::new();
            for at in 0..list.length() {
                let item = list.get_index(scope, at).ok_or_else(unreadable)?;
                items.push(self.read(scope, item, depth)?);
            }
            return Ok(Value::List(items));
        }
        let is_special = value.is_array_buffer() || value.is_map() || value.is_set() || value.is_date();
        if is_special || value.is_function() || value.is_symbol() || value.is_big_int() || value.is_proxy() {
            return Err(OperationError::type_error(
                "an argument must be data: null, a boolean, a number, a text, bytes, a list or a plain object",
            ));
        }
        let object: v8::Local<v8::Object> = value.try_into().map_err(|_| unreadable())?;
        let names = object.get_own_property_names(scope, v8::GetPropertyNamesArgs::default());
        let names = names.ok_or_else(unreadable)?;
        let mut fields = Vec::new();
        for at in 0..names.length() {
            let name = names.get_index(scope, at).ok_or_else(unreadable)?;
            let field = object.get(scope, name).ok_or_else(unreadable)?;
            let name = name.to_rust_string_lossy(scope);
            self.count(name.len())?;
            fields.push((name, self.read(scope, field, depth)?));
        }
        Ok(Value::Record(fields))
    }
}
