//! `token attest`: a third party attests modules, without seeing the token.

use std::path::PathBuf;

use secure_runtime_capabilities::{AttestationRequest, MAX_ATTESTED, SignedAttestation, TokenError};
use secure_runtime_loaders::{ContentHash, read_lock};

use super::{Given, Out};
use crate::failure::{Code, Failure};
use crate::{console, credentials, project, text};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print the request that the third party signs. It does not reveal the token
    Request(Request),
    /// Sign a request, as the third party that attests modules
    Sign(Sign),
    /// Add an attestation to the token that it was requested for
    Add(Add),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    #[command(flatten)]
    token: Given,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    /// The file of the request (- is standard input)
    request: PathBuf,

    /// The file of the third party's private key (- is standard input)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// A module to attest: blake3:HASH (repeatable)
    #[arg(long = "module", value_name = "HASH", required_unless_present = "graph")]
    modules: Vec<String>,

    /// A lock file, to attest every module in it
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    #[command(flatten)]
    token: Given,

    /// The file of the attestation (- is standard input)
    attestation: PathBuf,

    /// The third party's public key: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    by: String,

    #[command(flatten)]
    out: Out,
}

pub(super) fn attest(command: &Command) -> Result<String, Failure> {
    match command {
        Command::Request(arguments) => request(arguments),
        Command::Sign(arguments) => sign(arguments),
        Command::Add(arguments) => add(arguments),
    }
}

fn request(arguments: &Request) -> Result<String, Failure> {
    let request = arguments.token.read()?.attestation_request();
    let request = request.map_err(|error| refused(&error))?;
    Ok(format!("{}\n", request.to_text()))
}

fn sign(arguments: &Sign) -> Result<String, Failure> {
    let mut modules = Vec::new();
    for module in &arguments.modules {
        let hash: ContentHash = module.parse()?;
        modules.push(*hash.as_bytes());
    }
    if let Some(lock) = &arguments.graph {
        let graph = read_lock(lock)?;
        modules.extend(graph.modules().iter().map(|module| *module.hash.as_bytes()));
    }
    modules.sort_unstable();
    modules.dedup();
    let request = project::read_text(&arguments.request, "the request")?;
    let request = AttestationRequest::parse_text(&request).map_err(|_| {
        Failure::new(Code::Integrity, "this is not a request for an attestation")
            .help("get it again from its sender: `secure-runtime token attest request` prints it")
    })?;
    let pair = credentials::private_key(&arguments.key, "--key")?;
    let count = modules.len();
    let signed = request.sign(&pair, modules).map_err(|error| {
        Failure::usage(error.to_string()).help(format!(
            "vouch for at most {MAX_ATTESTED} modules at once, and add several attestations"
        ))
    })?;
    console::note(&format!(
        "{} vouches for {}",
        pair.public(),
        text::count(count, "module")
    ));
    Ok(format!("{}\n", signed.to_text()))
}

fn add(arguments: &Add) -> Result<String, Failure> {
    let by = credentials::public_key(&arguments.by, "--by")?;
    let token = arguments.token.read()?;
    let attestation = project::read_text(&arguments.attestation, "the attestation")?;
    let attested = SignedAttestation::parse_text(&attestation)
        .and_then(|attestation| token.with_attestation(&attestation, &by))
        .map_err(|error| refused(&error))?;
    arguments.out.give(&attested)
}

fn refused(error: &TokenError) -> Failure {
    match error {
        TokenError::Sealed => Failure::usage("the token is sealed: nothing can be added to it")
            .help("use the token that it was made from, and seal it afterwards"),
        TokenError::Attestation { .. } | TokenError::Profile { .. } => Failure::new(Code::Integrity, error.to_string())
            .help("ask for a new one: an attestation fits only the token that it was requested for, before anything else is added"),
        error => Failure::usage(error.to_string()).help("start from a token nearer to the root"),
    }
}
