//! `explain`: shows why an operation is or would be denied, block by block, and which change would allow it.

use std::path::PathBuf;

use secure_runtime_capabilities::{Base, Decision, Families, Operation};
use secure_runtime_loaders::Graph;
use serde::Deserialize;

use super::advice::{Advice, AdviceContext};
use super::failure::Failure;
use super::presented::PresentedArguments;
use super::project::{self, Project};
use super::text;
use crate::host;
use secure_runtime::LinkPlan;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// With --module: an operation, such as 'fs read data/a.csv'. Without: one line of an audit file, or the message of
    /// a denial that `run` printed (- reads it from standard input)
    #[arg(value_name = "DENIAL or OPERATION")]
    question: String,

    /// The module that requests the operation: app:/main.js, ./main.js, marked/lib/marked.esm.js, or the name of a
    /// package
    #[arg(long)]
    module: Option<String>,

    /// The folder with the secure.toml
    #[arg(long, default_value = ".")]
    dir: PathBuf,

    #[command(flatten)]
    presented: PresentedArguments,
}

/// A module and the operation that it requests.
struct Question {
    module: String,
    operation: Operation<'static>,
}

pub(super) fn explain(arguments: &Arguments) -> Result<String, Failure> {
    let project = Project::read(&arguments.dir)?;
    let base = project::base_of(&project.folder)?;
    let families = host::families();
    let question = match &arguments.module {
        Some(module) => Question {
            module: module.clone(),
            operation: families.parse_operation(&arguments.question, &base)?,
        },
        None if arguments.question == "-" => {
            denial(&project::read_text("-".as_ref(), "the denial")?, families, &base)?
        }
        None => denial(&arguments.question, families, &base)?,
    };
    // Advice about grants is useless for an operation that no grant of a program can allow.
    families.program_family(question.operation.family().as_str())?;
    let presented = project::wait_for(arguments.presented.read())?;
    let token = presented.as_ref().map(|presented| &presented.token);

    let index = module(&project.graph, &question.module)?;
    let plan = LinkPlan::new(&project.graph, token, families, &base)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let principal = plan
        .principal(index)
        .ok_or_else(|| Failure::bug("the plan has no such module"))?;
    let authority = plan
        .authority(principal)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let advice = Advice {
        module: &principal.name,
        package: &principal.package,
        operation: &question.operation,
        authority: &authority,
        block_names: &principal.block_names,
        manifest: Some(&project.manifest),
        is_locked: project.is_locked,
        base: &base,
        context: &AdviceContext::of(presented.as_ref()),
    };
    let explanation = advice.explanation();
    let operation = text::one_line(&question.operation.to_string());
    let verdict = match explanation.decision {
        Decision::Allowed => format!("{operation} is allowed to module {}\n", principal.name),
        Decision::Denied(denial) => {
            let name = principal
                .block_names
                .get(denial.block)
                .map(String::as_str)
                .unwrap_or_default();
            format!(
                "{operation} is denied to module {} by block {}: {name}\n",
                principal.name, denial.block
            )
        }
    };
    let help = match explanation.decision {
        Decision::Allowed => String::new(),
        Decision::Denied(_) => format!("  help: {}\n", advice.help().trim_end()),
    };
    Ok(format!("{verdict}{}{help}", advice.blocks(&explanation)))
}

/// Returns the index of the module that the argument names.
fn module(graph: &Graph, said: &str) -> Result<u32, Failure> {
    let path = said.strip_prefix("./").unwrap_or(said);
    let of_program = format!("app:/{path}");
    let by_name = (0..)
        .zip(graph.modules())
        .find(|(_, module)| module.name == said || module.name == of_program);
    // All modules of a package have the same rights. The manifest can restrict single modules only in the first-party
    // package.
    let by_package = || {
        let mut modules = (0..).zip(graph.modules());
        modules.find(|(_, module)| {
            graph
                .package_of(module)
                .is_some_and(|package| !said.is_empty() && package.name == said)
        })
    };
    let found = by_name.or_else(by_package);
    found.map(|(index, _)| index).ok_or_else(|| {
        Failure::usage(format!("the program has no module {}", text::one_line(said)))
            .help("`secure-runtime graph show` lists them")
    })
}

/// The fields of an audit record that identify the operation.
#[derive(Deserialize)]
struct Record {
    module: String,
    family: String,
    action: String,
    resource: String,
}

/// Parses a denial, which is a line of an audit file or an error message.
fn denial(said: &str, families: &Families, base: &Base) -> Result<Question, Failure> {
    let unknown = || {
        Failure::usage("this is not a denial")
            .help("give one line of an audit file (`run --audit FILE`), the first line of what `run` printed, or --module M with an operation")
    };
    let said = said.trim();
    if said.starts_with('{') {
        let record: Record = serde_json::from_str(said).map_err(|_| unknown())?;
        return Ok(Question {
            module: record.module,
            operation: operation(families, &record.family, &record.action, &record.resource, base)?,
        });
    }
    // For example `error: fs read /srv/a.csv was denied to module app:/main.js`.
    let first = said.lines().next().unwrap_or_default();
    if let Some((asked, module)) = first.rsplit_once(" was denied to module ") {
        let asked = asked.strip_prefix("error: ").unwrap_or(asked);
        return Ok(Question {
            module: module.to_owned(),
            operation: families.parse_operation(asked, base)?,
        });
    }
    // For example `CapabilityError: fs read "a.csv" is not allowed in app:/main.js: no grant covers it`.
    let message = first
        .trim_start_matches("uncaught ")
        .trim_start_matches("CapabilityError: ");
    let (asked, rest) = message.split_once(" is not allowed in ").ok_or_else(unknown)?;
    let (module, _) = rest.rsplit_once(": ").ok_or_else(unknown)?;
    let mut words = asked.splitn(3, ' ');
    let (Some(family), Some(action), Some(resource)) = (words.next(), words.next(), words.next()) else {
        return Err(unknown());
    };
    let resource = resource
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(resource);
    // The message has the guest's own words: an address, or the name of a family that has no resources.
    let operation = match (family, action) {
        ("net", _) => operation(families, family, action, origin_of(resource), base)?,
        ("random", "read") if resource == family => families.parse_operation("random read", base)?,
        _ => operation(families, family, action, resource, base)?,
    };
    Ok(Question {
        module: module.to_owned(),
        operation,
    })
}

/// Returns the scheme, host and port of an address.
fn origin_of(address: &str) -> &str {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address;
    };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    address
        .get(..scheme.len() + "://".len() + host)
        .unwrap_or(address)
}

fn operation(
    families: &Families,
    family: &str,
    action: &str,
    resource: &str,
    base: &Base,
) -> Result<Operation<'static>, Failure> {
    Ok(Operation::new(families.family(family)?, action, resource, base)?)
}
