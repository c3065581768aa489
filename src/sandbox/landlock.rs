//! Restriction of files, folders and TCP ports with Landlock.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    RestrictSelf, RestrictSelfAttr, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    Scope,
};

use super::plan::{Plan, Rule};
use super::{SandboxError, threads};

/// The newest interface version whose access rights are all restricted. Rights that an older kernel does not know are
/// left out.
const NEWEST: ABI = ABI::V9;

/// The interface version that can restrict all threads at once.
const ALL_THREADS: u32 = 8;

impl From<RulesetError> for SandboxError {
    fn from(error: RulesetError) -> Self {
        SandboxError::Landlock(error.into())
    }
}

/// Returns the version of the kernel's interface, or `None` without Landlock.
pub(super) fn version() -> Option<u32> {
    // The query restricts nothing, because it sets flags and no rules.
    let status = RestrictSelf::default().no_new_privs(false).apply().ok()?.landlock;
    number(status)
}

fn number(status: LandlockStatus) -> Option<u32> {
    match status {
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } => u32::try_from(kernel_abi.unwrap_or(effective_abi as i32)).ok(),
        _ => None,
    }
}

/// Restricts all threads. Returns the interface version, the number of other threads, and the folders that are wider
/// than the grants.
pub(super) fn enter(plan: &Plan) -> Result<(Option<u32>, usize, Vec<PathBuf>), SandboxError> {
    let (rules, wider) = plan.rules();
    let ports = plan.connect_ports();
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(NEWEST))?;
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut created = ruleset.create()?;
    for rule in &rules {
        created = allow(created, rule)?;
    }
    for port in ports.into_iter().flatten() {
        created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    for port in plan.listen_ports() {
        created = created.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    if version().is_some_and(|version| version >= ALL_THREADS) {
        let others = threads::count()?.saturating_sub(1);
        let status = created.all_threads(true)?.restrict_self()?;
        return match status.all_threads {
            true => Ok((number(status.landlock), others, wider)),
            false => Err(SandboxError::OtherThreads),
        };
    }
    let copy = created
        .try_clone()
        .map_err(|error| SandboxError::Landlock(error.into()))?;
    let other_threads = match Option::<OwnedFd>::from(copy) {
        Some(rules) => threads::confine_others(&rules)?,
        None => 0,
    };
    let status = created.restrict_self()?;
    Ok((number(status.landlock), other_threads, wider))
}

fn allow(created: RulesetCreated, rule: &Rule) -> Result<RulesetCreated, RulesetError> {
    // A path that no longer exists or is not accessible needs no rule.
    let Ok(thing) = PathFd::new(&rule.path) else {
        return Ok(created);
    };
    let rights = rights(rule, rule.path.is_dir());
    if rights.is_empty() {
        return Ok(created);
    }
    created.add_rule(PathBeneath::new(thing, rights))
}

/// Returns the access rights of a rule. Executing files and creating devices, sockets or pipes are never
/// included, because no operation needs them.
fn rights(rule: &Rule, is_folder: bool) -> BitFlags<AccessFs> {
    let mut rights = BitFlags::EMPTY;
    if rule.access.read {
        rights |= match (is_folder, rule.below) {
            (true, true) => AccessFs::ReadFile | AccessFs::ReadDir,
            (true, false) => AccessFs::ReadDir.into(),
            (false, _) => AccessFs::ReadFile.into(),
        };
    }
    if rule.access.write {
        let file = AccessFs::WriteFile | AccessFs::Truncate;
        rights |= match (is_folder, rule.below) {
            (true, true) => {
                // Removing a folder with its content requires listing it.
                file | AccessFs::ReadDir
                    | AccessFs::MakeReg
                    | AccessFs::MakeDir
                    | AccessFs::MakeSym
                    | AccessFs::RemoveFile
                    | AccessFs::RemoveDir
                    | AccessFs::Refer
            }
            (true, false) => BitFlags::EMPTY,
            (false, _) => file,
        };
    }
    rights
}
