//! Synthetic modules of the runtime: their names and their URLs.

/// The module that guests import their capabilities from.
pub(crate) const SELF: &str = "cap:self";
/// The module that defines the free names of a module. The loader adds its import.
pub(crate) const BINDINGS: &str = "cap:bindings";
/// The module with the function that instantiates a WebAssembly module. The JavaScript of that module imports it.
pub(super) const WASM: &str = "cap:wasm";
/// The synthetic module for a module of a package with its own isolate.
pub(super) const ISOLATE: &str = "cap:isolate";
/// A module that imports another one for its effects and exports nothing. The host uses it to evaluate that module.
pub(crate) const EVALUATION: &str = "cap:evaluation";
/// A module that throws the refusal of a computed import. The engine's error for an unresolved import would not be the
/// error that Rust created.
pub(super) const REFUSED: &str = "cap:refused";
/// The prefix of the values of synthetic modules. A value is a module with the type `VALUE_TYPE`. Only its own
/// synthetic module can import it.
const VALUE: &str = "cap:value";
pub(super) const VALUE_TYPE: &str = "secure-runtime";

/// The exports of `cap:self`, besides the families.
pub(crate) const SELF_EXPORTS: [&str; 3] = ["CapabilityError", "seal", "defineCapability"];

/// A synthetic module: its kind, and the guest module that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntheticModule {
    pub(crate) specifier: &'static str,
    /// The index of the guest module. For [`REFUSED`], the number of the refusal.
    pub(crate) module: u32,
}

/// The URLs of synthetic modules. They contain random bits of this run. So no file contains such a URL, and no text of
/// a guest can be mistaken for an import of one.
#[derive(Debug)]
pub(crate) struct SyntheticUrls {
    /// The random bits.
    pub(crate) secret: String,
}

impl SyntheticUrls {
    /// Draws the random bits.
    ///
    /// # Errors
    /// The operating system returned no random bytes.
    pub(super) fn new() -> Result<SyntheticUrls, String> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|_| "the operating system gave no random bytes".to_owned())?;
        Ok(SyntheticUrls {
            secret: u128::from_le_bytes(secret).to_string(),
        })
    }

    /// Returns a URL such as `cap:self/SECRET/3`.
    pub(crate) fn url(&self, own: SyntheticModule) -> String {
        format!("{}/{}/{}", own.specifier, self.secret, own.module)
    }

    /// Returns a URL such as `cap:value/cap:self/SECRET/3`.
    pub(crate) fn value_url(&self, own: SyntheticModule) -> String {
        format!("{VALUE}/{}", self.url(own))
    }

    /// Returns the synthetic module with this URL.
    pub(crate) fn of_url(&self, url: &str) -> Option<SyntheticModule> {
        let (url, module) = url.rsplit_once('/')?;
        let (specifier, secret) = url.rsplit_once('/')?;
        if secret != self.secret {
            return None;
        }
        let specifier = [SELF, BINDINGS, WASM, ISOLATE, EVALUATION, REFUSED]
            .into_iter()
            .find(|own| *own == specifier)?;
        Some(SyntheticModule {
            specifier,
            module: module.parse().ok()?,
        })
    }

    /// Returns the synthetic module whose value has this URL.
    pub(super) fn of_value(&self, url: &str) -> Option<SyntheticModule> {
        self.of_url(url.strip_prefix(VALUE)?.strip_prefix('/')?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RUN-81.
    #[test]
    fn urls_have_random_bits_that_are_new_in_each_run() {
        let (one, other) = (SyntheticUrls::new().unwrap(), SyntheticUrls::new().unwrap());
        for urls in [&one, &other] {
            // The chance that 64 random bits are all zero is negligible.
            let bits: u128 = urls.secret.parse().unwrap();
            assert!(bits >> 64 != 0 && bits << 64 != 0, "{bits}");
        }
        let own = SyntheticModule {
            specifier: SELF,
            module: 3,
        };
        let (url, value) = (one.url(own), one.value_url(own));
        assert!(one.of_url(&url) == Some(own) && one.of_value(&value) == Some(own));
        assert!(other.of_url(&url).is_none() && other.of_value(&value).is_none());
        for guess in ["cap:self/3", "cap:self//3", "cap:self/0/3"] {
            assert!(one.of_url(guess).is_none(), "{guess}");
        }
    }
}
