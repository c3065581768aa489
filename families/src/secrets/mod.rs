//! The `secrets` family: secrets that the host holds. Guests use them, and cannot read them.

mod hidden;
mod placeholders;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use secure_runtime_capabilities::{ActionName, Family, KeyAlgorithm};
use secure_runtime_engine::extension::{
    Arguments, Extension, Granted, Methods, OperationError, Output, Script, clipped,
};
use zeroize::Zeroizing;

pub(crate) use self::hidden::hide;
use self::placeholders::{Made, Placeholders, placeholder};
pub(crate) use self::placeholders::{Substituted, substituted};

/// The bytes of a secret. They are wiped when the last copy is dropped, and appear in no debug output.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// The sizes that a secret may have, in bytes. A shorter text can be guessed, and occurs in responses by chance.
    /// Servers commonly accept 8 KiB of headers.
    pub const SIZES: RangeInclusive<usize> = 8..=8192;

    /// Creates a secret of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Secret(Arc::new(Zeroizing::new(bytes.into())))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(not shown)")
    }
}

/// A function that returns the secret with this name. It is called at each use, and must not block.
pub type SecretSource = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// The family.
pub(crate) struct Secrets(pub(crate) SecretSource);

impl Secrets {
    /// Returns the secret of a resource.
    fn secret(&self, name: &str) -> Result<Secret, OperationError> {
        let fault = |what: &str| {
            let message = format!("secret {:?}: {what}", clipped(name));
            Err(OperationError::system("Error", "ENOENT", message))
        };
        let Some(secret) = (self.0)(name) else {
            return fault(
                "the host has no such secret; with the command, pass --secret NAME=env:VARIABLE or NAME=file:PATH",
            );
        };
        if !Secret::SIZES.contains(&secret.bytes().len()) {
            let (least, most) = (Secret::SIZES.start(), Secret::SIZES.end());
            return fault(&format!("the host's value does not have {least} to {most} bytes"));
        }
        Ok(secret)
    }
}

/// A decided call.
pub(crate) type Call<'a> = Granted<'a, Secrets>;

/// Returns the name and the use of a decided resource.
fn parts(resource: &str) -> Result<(&str, &str), OperationError> {
    resource
        .split_once('@')
        .ok_or_else(|| OperationError::type_error("the resource of a secret has no use"))
}

/// Returns the bytes with which secrets.js makes a key of the decided algorithm.
///
/// The form of a secret depends on the algorithm alone. If a guest could choose it, or a length, it could use the
/// secret as several related keys. So it could find out the bytes one after the other.
fn key(granted: Call<'_>, _arguments: Arguments) -> Result<Output, OperationError> {
    use base64::Engine as _;
    let (name, algorithm) = parts(granted.resource())?;
    let algorithm = KeyAlgorithm::parse(algorithm);
    let algorithm = algorithm.map_err(|error| OperationError::type_error(error.to_string()))?;
    let secret = granted.extension().secret(name)?;
    let fault = |what: &str| OperationError::type_error(format!("secret {:?}: {what}", clipped(name)));
    let bytes = match algorithm.as_str() {
        hmac if hmac.starts_with("HMAC-") => secret.bytes().to_vec(),
        "AES-GCM" => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(secret.bytes());
            let decoded = decoded.ok().filter(|key| matches!(key.len(), 16 | 24 | 32));
            decoded.ok_or_else(|| fault("an AES-GCM key is the base64 form of 16, 24 or 32 bytes"))?
        }
        _ => {
            let key = PrivatePkcs8KeyDer::from_pem_slice(secret.bytes());
            let key = key.map_err(|_| {
                fault("this algorithm needs a private key in PEM, `BEGIN PRIVATE KEY` (PKCS #8)")
            })?;
            key.secret_pkcs8_der().to_vec()
        }
    };
    let held = granted.reserve(bytes.len(), "reading the key")?;
    Ok(Output::bytes(bytes, held))
}

impl Extension for Secrets {
    type Program = ();
    type Isolate = Placeholders;
    type Capability = Made;
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Secrets)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:secrets/secrets.js",
            source: include_str!("secrets.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("secrets.d.ts")
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        methods
            .on_argument(ActionName::SEND)
            .sync("placeholder", placeholder);
        methods.on_argument(ActionName::KEY).sync("key", key);
    }
}
