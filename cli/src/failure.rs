//! Failures of commands: the exit code, the problem, its place, and advice.

use std::process::ExitCode;

use secure_runtime_capabilities::{
    HolderError, KeyError, ProofError, RevocationError, ScopeError, StatementError, TokenError,
};
use secure_runtime_loaders::HashParseError;
use secure_runtime_loaders::lockfile::LockFileError;
use secure_runtime_loaders::resolve::LockError;
use secure_runtime_loaders::store::StoreError;
use secure_runtime_loaders::verify::LoadError;

use secure_runtime::{
    BuildError, ManifestError, ProgramError, RevocationFeedError, RunError, SandboxError, SignatureError,
};

/// Exit codes other than 0. They are a stable contract, see spec/cli.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The program did not catch a JavaScript error.
    Uncaught = 1,
    /// Wrong usage, an invalid manifest, or a missing file.
    Usage = 2,
    /// The program did not catch a denial, or the command's result is "denied".
    Denied = 3,
    /// Bytes differ from the recorded hash, signature or lock.
    Integrity = 4,
    /// The program exceeded a limit.
    Limit = 5,
    /// A bug in secure-runtime.
    Bug = 70,
    /// Stopped by `SIGINT`. The code is 128 plus the number of the signal.
    Interrupted = 130,
    /// Stopped by `SIGTERM`.
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// The failure of a command: the exit code, the message and the advice.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    code: Code,
    what: String,
    help: Option<String>,
}

impl Failure {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Failure {
            code,
            what: what.into(),
            help: None,
        }
    }

    pub(super) fn usage(what: impl Into<String>) -> Self {
        Failure::new(Code::Usage, what)
    }

    pub(super) fn bug(what: impl Into<String>) -> Self {
        Failure::new(
            Code::Bug,
            format!("this is a bug in secure-runtime: {}", what.into()),
        )
        .help("please report it with the command that you ran")
    }

    /// Sets the advice, unless the message already contains some. Errors of the libraries put their advice after a
    /// colon or a semicolon. A later call replaces the advice of an earlier one, because callers know the
    /// purpose better than the functions that they call.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        if !self.what.contains("help:") && !self.what.contains("; ") {
            self.help = Some(help.into());
        }
        self
    }

    /// Sets the advice, whatever the message contains. Needed for messages that contain text of guests.
    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Changes the message, for example to add the place of the problem.
    pub(super) fn map(mut self, what: impl FnOnce(String) -> String) -> Self {
        self.what = what(self.what);
        self
    }

    /// Returns the message without the advice.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    pub(super) fn code(&self) -> Code {
        self.code
    }

    /// Returns the advice, if there is some.
    pub(super) fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

fn integrity_or_usage(is_integrity: bool) -> Code {
    if is_integrity {
        Code::Integrity
    } else {
        Code::Usage
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        Failure::usage(error.to_string()).help("correct secure.toml at the place that is shown")
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Manifest(error) => error.into(),
            ProgramError::Lock(error) => error.into(),
            ProgramError::LockFile(error) => error.into(),
            ProgramError::Load(error) => error.into(),
            ProgramError::Store(error) => error.into(),
            ProgramError::Signatures(error) => error.into(),
            error => Failure::new(integrity_or_usage(error.is_integrity()), error.to_string())
                .help("see `secure-runtime help run`"),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let failure = Failure::usage(error.to_string());
        if error.is_syntax() && !error.is_in_installed_package() {
            return failure.with_help("correct the file at this place");
        }
        if error.is_in_installed_package() {
            return failure.with_help(
                "the file belongs to an installed package that does not run here: use another version of the package, \
                 or another package",
            );
        }
        failure.help("correct the file, or [imports] in secure.toml")
    }
}

impl From<LockFileError> for Failure {
    fn from(error: LockFileError) -> Self {
        Failure::new(integrity_or_usage(error.is_integrity()), error.to_string())
            .help("check that the file is a regular file that you may read and write")
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Failure::new(integrity_or_usage(error.is_integrity()), error.to_string())
            .help("restore the file, or run `secure-runtime lock` and review what changed")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        // A store may have written a part of the text, so it is not searched for advice.
        let help = match &error {
            StoreError::Refused { .. } => {
                "ask the operator of the store for a token that allows it, and pass it with --store-token FILE"
            }
            StoreError::Unencrypted { .. } => {
                "use the https:// address of the store, or http://127.0.0.1:PORT for a store on this machine"
            }
            StoreError::NotAStore { .. } => {
                "name a folder in which `secure-runtime store` keeps blobs, or the http:// or https:// address of a store"
            }
            _ => "",
        };
        if !help.is_empty() {
            return Failure::new(integrity_or_usage(error.is_integrity()), error.to_string()).with_help(help);
        }
        Failure::new(integrity_or_usage(error.is_integrity()), error.to_string())
            .help("`secure-runtime store list` shows where the local store is and what it has")
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Token(error) => error.into(),
            BuildError::NoBase | BuildError::NoStore | BuildError::Tls(_) => Failure::bug(error.to_string()),
            error => Failure::usage(error.to_string()).help("see `secure-runtime help run`"),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match &error {
            RunError::Module { error: cause, .. } => {
                Failure::new(integrity_or_usage(cause.is_integrity()), error.to_string())
                    .help("run `secure-runtime verify` to see what else differs")
            }
            RunError::Grants(_) | RunError::WebAssemblyRefused(_) => {
                Failure::usage(error.to_string()).help("correct the grants in secure.toml")
            }
            RunError::WebAssembly { .. } => {
                Failure::usage(error.to_string()).help("run it with a build of secure-runtime that has V8")
            }
            RunError::NotAttested { .. } => Failure::new(Code::Denied, error.to_string())
                .with_help("`secure-runtime token attest request` begins an attestation"),
            RunError::NoSuchPackage { .. } | RunError::SharedLimit { .. } | RunError::IsolateCycle { .. } => {
                Failure::usage(error.to_string()).help("correct the tables [packages.NAME] in secure.toml")
            }
            _ => Failure::bug(error.to_string()),
        }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Failure::usage(format!("the OS sandbox: {error}"))
            .with_help("run it with --sandbox off if that is acceptable")
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Failure::new(Code::Integrity, format!("the token: {error}"))
            .help("get the token again from its issuer, and check that --root-key is the issuer's public key")
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Failure::usage(format!("the key: {error}"))
            .help("make a key pair with `secure-runtime key generate --out FILE`")
    }
}

impl From<ScopeError> for Failure {
    fn from(error: ScopeError) -> Self {
        let help = match error {
            ScopeError::Rights(_) => "use folders (`/**`) instead of many single paths",
            _ => "write a grant as 'fs.read=./data/**', an operation as 'fs read ./data/a.csv'",
        };
        Failure::usage(error.to_string()).help(help)
    }
}

impl From<HolderError> for Failure {
    fn from(error: HolderError) -> Self {
        Failure::usage(error.to_string()).help("a holder is blake3:HASH of a module, or a public key")
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        let is_integrity = matches!(error, ProofError::Signature { .. });
        Failure::new(integrity_or_usage(is_integrity), error.to_string()).help(
            "make a new challenge with `secure-runtime token challenge`, and have `token prove` answer it",
        )
    }
}

impl From<RevocationError> for Failure {
    fn from(error: RevocationError) -> Self {
        let is_integrity = !matches!(error, RevocationError::Id { .. } | RevocationError::Times);
        Failure::new(integrity_or_usage(is_integrity), error.to_string())
            .help("get the list again from its issuer, and check that the key is the issuer's")
    }
}

impl From<StatementError> for Failure {
    fn from(error: StatementError) -> Self {
        let is_usage = matches!(error, StatementError::Claim { .. } | StatementError::Claims);
        Failure::new(integrity_or_usage(!is_usage), error.to_string())
            .with_help("write a claim such as reviewed or built-from=TEXT")
    }
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Store(error) => Failure::from(*error),
            error => Failure::new(Code::Integrity, error.to_string()).help("see `secure-runtime help sign`"),
        }
    }
}

impl From<RevocationFeedError> for Failure {
    fn from(error: RevocationFeedError) -> Self {
        let help = match &error {
            RevocationFeedError::Place { .. } => {
                "give the path of a file, or an address such as https://example.com/revoked.list"
            }
            RevocationFeedError::Unavailable { .. } => {
                "make sure that it can be reached: without a current list, nothing is allowed"
            }
            RevocationFeedError::Refused { .. } => {
                "get it again from its issuer, and check that --revocation-key (or --root-key) is the issuer's public key"
            }
            RevocationFeedError::Stale { .. } => {
                "ask its issuer to renew it: `secure-runtime token revoke --list FILE --key FILE`"
            }
            RevocationFeedError::Damaged { .. } => {
                "if you know why, delete it: the next list is then accepted, even if it is an older one"
            }
            _ => "make the folder writable, or set XDG_STATE_HOME to another folder",
        };
        Failure::new(integrity_or_usage(error.is_integrity()), error.to_string()).with_help(help)
    }
}

impl From<HashParseError> for Failure {
    fn from(error: HashParseError) -> Self {
        Failure::usage(error.to_string())
            .help("`secure-runtime store list` shows the hashes of what is there")
    }
}
