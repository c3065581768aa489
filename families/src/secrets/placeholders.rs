//! Placeholders: texts that stand for a secret until `fetch` sends it.
//!
//! A placeholder is a capability in the form of a text, because packages take API keys as texts. It cannot be guessed,
//! works in one isolate, and is for one secret and one origin. Each use is decided for the module that made it.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use secure_runtime_capabilities::{ActionName, FamilyName, Origin};
use secure_runtime_engine::extension::{
    Arguments, Extension, Granted, OperationError, Output, Reservation, Value, clipped,
};

use super::{Call, Secret, Secrets, parts};

/// The beginning of each placeholder.
const BEGINNING: &str = "secret-placeholder-";
/// Maximum number of placeholders of one isolate. A capability has one for each secret and origin.
const MOST: usize = 1024;
/// Maximum number of placeholders in one request. Each is decided, and each secret is searched in the whole response.
const MOST_USED: usize = 16;
/// Memory of a placeholder besides its texts, in bytes.
const BESIDES: usize = 512;

/// The placeholders of one isolate.
#[derive(Default)]
pub(crate) struct Placeholders(RefCell<Vec<Placeholder>>);

/// The placeholders of one capability, by their resources.
#[derive(Default)]
pub(crate) struct Made(RefCell<HashMap<String, String>>);

struct Placeholder {
    text: String,
    /// The decision that made it.
    granted: Call<'static>,
    _memory: Reservation,
}

/// Makes a placeholder, or returns the one that this capability has made before.
pub(super) fn placeholder(granted: Call<'static>, _arguments: Arguments) -> Result<Output, OperationError> {
    let resource = granted.resource().to_owned();
    if let Some(text) = granted.state().0.borrow().get(&resource) {
        return Ok(Value::from(text.as_str()).into());
    }
    let (name, _) = parts(&resource)?;
    // A name that the host does not know is an error here, where its cause is easy to find.
    drop(granted.extension().secret(name)?);
    let isolate = granted.isolate()?;
    let mut all = isolate.isolate().0.borrow_mut();
    if all.len() >= MOST {
        return Err(granted.refuse_at_limit(&format!("an isolate has at most {MOST} placeholders")));
    }
    let mut chance = [0; 16];
    getrandom::fill(&mut chance)
        .map_err(|_| OperationError::system("Error", "EIO", "the operating system gave no random bytes"))?;
    let text = format!("{BEGINNING}{name}-{}", hex::encode(chance));
    let memory = granted.reserve(
        2 * (resource.len() + text.len()) + granted.shown().len() + BESIDES,
        "making a placeholder for",
    )?;
    granted.state().0.borrow_mut().insert(resource, text.clone());
    all.push(Placeholder {
        text: text.clone(),
        granted,
        _memory: memory,
    });
    Ok(Value::from(text).into())
}

/// Headers with secrets in the place of placeholders.
pub(crate) struct Substituted {
    pub(crate) headers: HeaderMap,
    /// The secrets that the headers have.
    pub(crate) secrets: Vec<Secret>,
}

/// Returns the headers of a request to this origin, with secrets in the place of their placeholders.
///
/// # Errors
/// A placeholder is unknown in this isolate, is for another origin, or may not be used any more. Then nothing may be
/// sent.
pub(crate) fn substituted<E: Extension>(
    sender: &Granted<'static, E>,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<Substituted, OperationError> {
    let mut all = Substituted {
        headers: HeaderMap::with_capacity(headers.len()),
        secrets: Vec::new(),
    };
    for (name, value) in headers {
        let value = match all.value(sender, name, value, origin)? {
            Some(secret) => secret,
            None => value.clone(),
        };
        all.headers.append(name.clone(), value);
    }
    Ok(all)
}

impl Substituted {
    /// Returns the value of a header, if it has a placeholder.
    fn value<E: Extension>(
        &mut self,
        sender: &Granted<'static, E>,
        name: &HeaderName,
        value: &HeaderValue,
        origin: &Origin,
    ) -> Result<Option<HeaderValue>, OperationError> {
        // `Authorization: Basic` has the user's name and the password in base64.
        let basic = value.to_str().ok().filter(|_| *name == header::AUTHORIZATION);
        let basic = basic.and_then(|text| {
            let (scheme, encoded) = text.split_once(' ')?;
            let decoded = STANDARD.decode(encoded.trim()).ok()?;
            scheme.eq_ignore_ascii_case("basic").then_some(decoded)
        });
        let replaced = match &basic {
            Some(decoded) => self.bytes(sender, name, decoded, origin)?.map(|bytes| {
                let bytes = zeroize::Zeroizing::new(bytes);
                format!("Basic {}", STANDARD.encode(&*bytes)).into_bytes()
            }),
            None => self.bytes(sender, name, value.as_bytes(), origin)?,
        };
        let Some(replaced) = replaced else {
            return Ok(None);
        };
        let replaced = HeaderValue::try_from(replaced);
        let mut replaced = replaced.map_err(|_| {
            OperationError::type_error(format!(
                "fetch: the secret in header {:?} has line breaks or other control characters",
                name.as_str()
            ))
        })?;
        // HTTP/2 keeps no such value in its tables.
        replaced.set_sensitive(true);
        Ok(Some(replaced))
    }

    /// Returns bytes with the secrets in the place of placeholders, if there is one.
    fn bytes<E: Extension>(
        &mut self,
        sender: &Granted<'static, E>,
        name: &HeaderName,
        bytes: &[u8],
        origin: &Origin,
    ) -> Result<Option<Vec<u8>>, OperationError> {
        let find = |bytes: &[u8]| {
            bytes
                .windows(BEGINNING.len())
                .position(|part| part == BEGINNING.as_bytes())
        };
        let Some(mut at) = find(bytes) else {
            return Ok(None);
        };
        let isolate = sender.isolate_of::<Secrets>(FamilyName::SECRETS);
        let mut rest = bytes;
        let mut made = Vec::new();
        loop {
            if self.secrets.len() == MOST_USED {
                return Err(OperationError::type_error(format!(
                    "fetch: a request has at most {MOST_USED} placeholders of secrets"
                )));
            }
            let (before, from) = rest.split_at(at);
            made.extend_from_slice(before);
            let known = isolate.as_ref().ok().and_then(|isolate| {
                let all = isolate.isolate().0.borrow();
                let known = all.iter().find(|known| from.starts_with(known.text.as_bytes()))?;
                Some((known.text.len(), known.used(origin)))
            });
            let Some((length, secret)) = known else {
                return Err(OperationError::type_error(format!(
                    "fetch: header {:?} has a placeholder of a secret that this isolate did not make; call \
                     secrets.placeholder in the isolate that fetches",
                    name.as_str()
                )));
            };
            let secret = secret?;
            made.extend_from_slice(secret.bytes());
            self.secrets.push(secret);
            rest = from.get(length..).unwrap_or_default();
            match find(rest) {
                Some(next) => at = next,
                None => break,
            }
        }
        made.extend_from_slice(rest);
        Ok(Some(made))
    }
}

impl Placeholder {
    /// Decides the use of the placeholder in a request to this origin, for the module that made it.
    fn used(&self, origin: &Origin) -> Result<Secret, OperationError> {
        let granted = &self.granted;
        let (name, allowed) = parts(granted.resource())?;
        if allowed != origin.as_str() {
            let resource = format!("{name}@{}", origin.as_str());
            let allowed = clipped(allowed);
            let why = format!("the placeholder is for {allowed} alone");
            return Err(match granted.parse(ActionName::SEND, &resource) {
                Ok(operation) => granted.refuse(&operation, &resource, &why),
                Err(_) => granted.refuse(granted.operation(), &resource, &why),
            });
        }
        granted.check_again()?;
        granted.extension().secret(name)
    }
}
