//! `--secret`: secrets that the process holds for a program, which may use them and not read them.

use std::collections::HashMap;
use std::path::PathBuf;

use secure_runtime::Secret;
use secure_runtime::capabilities::SecretName;
use secure_runtime_loaders::files;

use super::failure::Failure;
use super::secrets::shown_path;

/// The advice about the form of the option.
const FORM: &str =
    "write NAME=env:VARIABLE or NAME=file:PATH; the arguments of a process are no place for a secret";

/// The place that a secret is read from.
enum Source {
    Variable(String),
    File(PathBuf),
}

/// Parses `NAME=env:VARIABLE` or `NAME=file:PATH`.
///
/// People may write the secret itself after the `=`, so a message repeats only the name. The options' parser, which
/// repeats values, does not call this.
fn parse(text: &str) -> Result<(String, Source), Failure> {
    let (name, source) = text.split_once('=').unwrap_or((text, ""));
    let name =
        SecretName::parse(name).map_err(|error| Failure::usage(format!("--secret: {error}")).help(FORM))?;
    let name = name.as_str().to_owned();
    let source = match source.split_once(':') {
        Some(("env", variable)) if !variable.is_empty() => Source::Variable(variable.to_owned()),
        Some(("file", path)) if !path.is_empty() => Source::File(path.into()),
        _ => {
            let what = format!("--secret {name}: its source is neither a variable nor a file");
            return Err(Failure::usage(what).help(FORM));
        }
    };
    Ok((name, source))
}

/// The secrets of a program.
#[derive(Default)]
pub(super) struct HeldSecrets {
    secrets: HashMap<String, Secret>,
    /// The variables that secrets came from. `env` does not show them.
    variables: Vec<String>,
    /// The files that secrets came from.
    pub(super) files: Vec<PathBuf>,
}

impl HeldSecrets {
    /// Reads all secrets. A final line break is not part of a secret, because editors add it.
    pub(super) fn read(given: &[String]) -> Result<Self, Failure> {
        let mut held = HeldSecrets::default();
        for text in given {
            let (name, source) = parse(text)?;
            let fault = |what: String| {
                Failure::usage(format!("--secret {name}: {what}"))
                    .help("name a variable of the environment or a file that has the secret")
            };
            let (mut bytes, shown) = match &source {
                Source::Variable(variable) => {
                    use std::os::unix::ffi::OsStringExt;
                    let value = std::env::var_os(variable);
                    let value = value.ok_or_else(|| fault(format!("the variable {variable} is not set")))?;
                    held.variables.push(variable.clone());
                    (value.into_vec(), format!("the variable {variable}"))
                }
                Source::File(path) => {
                    let shown = format!("the file {}", shown_path(path));
                    let bytes = files::read_given(path, 1 << 20);
                    let bytes = bytes.map_err(|error| fault(format!("{shown}: {error}")))?;
                    held.files.push(path.clone());
                    (bytes.to_vec(), shown)
                }
            };
            for end in [b'\n', b'\r'] {
                if bytes.last() == Some(&end) {
                    bytes.pop();
                }
            }
            if !Secret::SIZES.contains(&bytes.len()) {
                let (least, most) = (Secret::SIZES.start(), Secret::SIZES.end());
                return Err(fault(format!("{shown} does not have {least} to {most} bytes")));
            }
            if held.secrets.insert(name.clone(), Secret::new(bytes)).is_some() {
                return Err(fault("the name is given twice".to_owned()));
            }
        }
        Ok(held)
    }

    /// Returns the lookup of secrets, and the lookup of other variables of the environment.
    pub(super) fn lookups(
        self,
    ) -> (
        impl Fn(&str) -> Option<Secret> + Send + Sync + 'static,
        impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) {
        let HeldSecrets {
            secrets, variables, ..
        } = self;
        (
            move |name: &str| secrets.get(name).cloned(),
            move |name: &str| {
                let is_secret = variables.iter().any(|variable| variable == name);
                (!is_secret).then(|| std::env::var(name).ok()).flatten()
            },
        )
    }
}
