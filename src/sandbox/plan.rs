//! The resources that a process must reach: the union of its programs' grants, and the files and ports that the runtime
//! itself uses.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use secure_runtime_capabilities::{ActionName, Authority, FamilyName, Token};
use url::Url;

use super::SandboxError;
use crate::base;
use crate::program::Program;
use crate::revocation::RevocationFeed;
use secure_runtime_engine::LinkPlan;
use secure_runtime_engine::extension::{AnyExtension, SandboxRule};

/// Maximum number of ports in separate rules. If there are more, all ports are allowed.
const MOST_PORTS: usize = 4096;

/// Files that the engines, the C library and the standard library always read: random bytes, time zones, and the number
/// of processors. They contain nothing about the users of this machine.
const ALWAYS_READ: [&str; 7] = [
    "/dev/urandom",
    "/proc/self/cgroup",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];

/// Files for name lookups: the settings of the resolver, and the libraries that it loads.
const RESOLVER_READS: [&str; 10] = [
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    "/lib",
    "/usr/lib",
];

/// The port of name servers. Long answers use TCP.
const NAME_SERVER: u16 = 53;

/// The allowed access to a path and, for a folder, to everything below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Access {
    const READ: Access = Access {
        read: true,
        write: false,
    };
    const WRITE: Access = Access {
        read: false,
        write: true,
    };

    fn add(&mut self, other: Access) {
        self.read |= other.read;
        self.write |= other.write;
    }
}

/// The resources that the sandbox allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Access by path. The flag is true if the path includes everything below it.
    paths: BTreeMap<(PathBuf, bool), Access>,
    connect: Vec<RangeInclusive<u16>>,
    listen: BTreeSet<u16>,
    datagrams: bool,
    lookups: bool,
    /// Numbers of additional system calls that the host allows.
    calls: BTreeSet<i64>,
    reports_refusals: bool,
}

/// A rule for an existing file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) path: PathBuf,
    pub(super) access: Access,
    /// True if the path includes everything below it. Otherwise, a folder can only be listed.
    pub(super) below: bool,
}

impl Plan {
    /// Adds what the runtime needs for this program, and returns the program's maximum rights.
    pub(super) fn program(
        &mut self,
        program: &Program,
        token: Option<&Token>,
    ) -> Result<Authority, SandboxError> {
        let base = base::resolve(program.base()).map_err(|error| SandboxError::Base {
            path: program.base().to_owned(),
            error,
        })?;
        let linked = LinkPlan::new(program.graph(), token, program.families(), &base)?;
        let imports = linked.ceiling().effective(FamilyName::MODULE, ActionName::IMPORT);
        if imports.len() > 0 {
            self.stores(program);
        }
        Ok(linked.ceiling().clone())
    }

    /// Adds the rules of an extension for programs with these rights.
    pub(super) fn extension(&mut self, extension: &AnyExtension, authority: &Authority) {
        for rule in extension.sandbox_rules(authority) {
            self.rule(rule);
        }
    }

    fn rule(&mut self, rule: SandboxRule) {
        match rule {
            SandboxRule::Read(path) => self.add(absolute(&path), false, Access::READ),
            SandboxRule::Write(path) => self.add(absolute(&path), false, Access::WRITE),
            SandboxRule::ReadBelow(path) => self.read(&path),
            SandboxRule::WriteBelow(path) => self.write(&path),
            SandboxRule::Connect(ports) => self.connect.push(ports),
            SandboxRule::Listen(port) => self.listen(port),
            SandboxRule::Datagrams => self.datagrams(),
            SandboxRule::Lookups => self.lookups = true,
            SandboxRule::SystemCall(number) => self.call(number),
        }
    }

    /// Adds the stores of the program. Modules that are added at run time come from these stores, and the local store
    /// keeps them.
    fn stores(&mut self, program: &Program) {
        let (local, others) = program.stores();
        if let Some(folder) = local {
            self.read(folder);
            self.write(folder);
        }
        for place in others {
            match place.address().and_then(|address| Url::parse(address).ok()) {
                Some(url) => self.address(&url),
                None => self.read(Path::new(&place.place)),
            }
        }
    }

    /// Adds the places of the revocation list. A newer list replaces the file, so the rule must cover the folder.
    pub(super) fn revocations(&mut self, feed: &RevocationFeed) {
        let (source, address, kept) = feed.places();
        if let Some(folder) = source.and_then(Path::parent) {
            self.read(folder);
        }
        if let Some(url) = address {
            self.address(url);
        }
        if let Some(folder) = kept.and_then(Path::parent) {
            self.read(folder);
            self.write(folder);
        }
    }

    fn address(&mut self, url: &Url) {
        if let Some(port) = url.port_or_known_default() {
            self.connect(port, port);
        }
    }

    pub(super) fn read(&mut self, path: &Path) {
        self.add(absolute(path), true, Access::READ);
    }

    pub(super) fn write(&mut self, path: &Path) {
        self.add(absolute(path), true, Access::WRITE);
    }

    fn add(&mut self, path: PathBuf, below: bool, access: Access) {
        self.paths.entry((path, below)).or_default().add(access);
    }

    pub(super) fn connect(&mut self, first: u16, last: u16) {
        self.connect.push(first..=last);
    }

    pub(super) fn listen(&mut self, port: u16) {
        self.listen.insert(port);
    }

    pub(super) fn datagrams(&mut self) {
        self.datagrams = true;
    }

    pub(super) fn call(&mut self, number: i64) {
        self.calls.insert(number);
    }

    pub(super) fn report_refusals(&mut self) {
        self.reports_refusals = true;
    }

    /// Returns the numbers of additional system calls that the host allows.
    pub(super) fn calls(&self) -> impl Iterator<Item = i64> {
        self.calls.iter().copied()
    }

    /// Returns true if each refused system call is reported.
    pub(super) fn reports_refusals(&self) -> bool {
        self.reports_refusals
    }

    /// Returns true if the process writes files.
    pub(super) fn writes(&self) -> bool {
        self.paths.values().any(|access| access.write)
    }

    /// Returns true if the process accepts connections.
    pub(super) fn listens(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Returns true if the process makes connections, sends datagrams, or looks up names.
    pub(super) fn connects(&self) -> bool {
        !self.connect.is_empty() || self.datagrams || self.lookups
    }

    /// Returns true if the process binds UDP sockets, and sends datagrams to any address.
    pub(super) fn has_datagrams(&self) -> bool {
        self.datagrams
    }

    /// Returns the ports that the process may connect to, or `None` if all ports are allowed.
    pub(super) fn connect_ports(&self) -> Option<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        for range in &self.connect {
            if range.len() > MOST_PORTS {
                return None;
            }
            ports.extend(range.clone());
        }
        if self.connects() {
            ports.insert(NAME_SERVER);
        }
        (ports.len() <= MOST_PORTS).then_some(ports)
    }

    /// Returns the ports that the process may listen on.
    pub(super) fn listen_ports(&self) -> &BTreeSet<u16> {
        &self.listen
    }

    /// Returns the rules for existing paths, and the folders whose rules are wider than the grants.
    ///
    /// The rules of the kernel refer to files, not to names, so a path that does not exist cannot have one. If a
    /// missing file may be written, its folder gets a rule instead. A missing file that may only be read gets no rule,
    /// because a rule for its folder would expose everything in it. `/` gets a rule only if a grant names it.
    pub(super) fn rules(&self) -> (Vec<Rule>, Vec<PathBuf>) {
        let mut rules = Vec::new();
        let mut wider = BTreeMap::<PathBuf, Access>::new();
        for ((path, below), access) in &self.paths {
            match path.symlink_metadata() {
                // A scope that is a single path does not follow a symbolic link, so a link needs no rule.
                Ok(metadata) if !below && metadata.is_symlink() => {}
                Ok(_) => rules.push(Rule {
                    path: path.clone(),
                    access: *access,
                    below: *below,
                }),
                Err(_) if access.write => {
                    let folder = path.parent().filter(|folder| folder.parent().is_some());
                    if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
                        wider.entry(folder.to_owned()).or_default().add(*access);
                    }
                }
                Err(_) => {}
            }
        }
        let folders = wider.keys().cloned().collect();
        rules.extend(wider.into_iter().map(|(path, access)| Rule {
            path,
            access,
            below: true,
        }));
        let resolver: &[&str] = if self.connects() { &RESOLVER_READS } else { &[] };
        rules.extend(ALWAYS_READ.iter().chain(resolver).map(|path| Rule {
            path: PathBuf::from(path),
            access: Access::READ,
            below: true,
        }));
        (rules, folders)
    }
}

/// Makes the path absolute, so that it stays valid if the process changes its folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secure_runtime_capabilities::{Base, Block, Family, Pattern};
    use secure_runtime_engine::extension::{Extension, Methods, Script};
    use secure_runtime_families::{Settings, builtin};

    use super::*;

    fn plan(base: &str, grants: &[&str]) -> Plan {
        let (families, base) = (
            secure_runtime_capabilities::Families::builtin(),
            Base::new(base).unwrap(),
        );
        let rights = families.parse_grants(grants.iter().copied(), &base).unwrap();
        let mut plan = Plan::default();
        let authority = Authority::new(Block::of(rights)).unwrap();
        for family in builtin(Settings::default()) {
            plan.extension(&family, &authority);
        }
        plan
    }

    fn ours(plan: &Plan) -> (Vec<Rule>, Vec<PathBuf>) {
        let (rules, wider) = plan.rules();
        let always = |rule: &Rule| {
            ALWAYS_READ
                .iter()
                .chain(&RESOLVER_READS)
                .any(|path| rule.path == Path::new(path))
        };
        (rules.into_iter().filter(|rule| !always(rule)).collect(), wider)
    }

    /// WALL-3, WALL-5.
    #[test]
    fn rules_cover_existing_paths_and_folders_of_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("data")).unwrap();
        std::fs::create_dir_all(base.join("logs")).unwrap();
        std::fs::write(base.join("one.txt"), "1").unwrap();
        std::os::unix::fs::symlink("one.txt", base.join("link.txt")).unwrap();
        let rule = |path: &str, read, write, below| Rule {
            path: base.join(path),
            access: Access { read, write },
            below,
        };
        let plan = plan(
            base.to_str().unwrap(),
            &[
                "fs.read=./data/**",
                "fs.write=./data/**",
                "fs.read=./one.txt",
                "fs.read=./link.txt",
                "fs.read=./missing.txt",
                "fs.read=./missing/**",
                "fs.write=./logs/today.txt",
                "fs.write=./nowhere/at/all.txt",
                "fs.write=/made-by-a-test-and-by-nobody",
            ],
        );
        let (rules, wider) = ours(&plan);
        assert_eq!(
            rules,
            [
                rule("data", true, true, false),
                rule("data", true, true, true),
                rule("one.txt", true, false, false),
                rule("logs", false, true, true),
            ]
        );
        assert_eq!(wider, [base.join("logs")]);
    }

    /// A family whose rights need a port and a system call.
    struct Printers;

    impl Extension for Printers {
        type Program = ();
        type Isolate = ();
        type Capability = ();
        type Sent = ();

        fn family(&self) -> Arc<dyn Family> {
            Arc::new(secure_runtime_capabilities::Kv)
        }

        fn script(&self) -> Script {
            Script {
                name: "ext:kv/kv.js",
                source: "",
            }
        }

        fn types(&self) -> &'static str {
            ""
        }

        fn methods(&self, _methods: &mut Methods<Self>) {}

        fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule> {
            let keys = Pattern::prefix("printers/");
            if !authority.intersects(FamilyName::KV, ActionName::WRITE, &keys) {
                return Vec::new();
            }
            vec![
                SandboxRule::Connect(631..=631),
                SandboxRule::Listen(5353),
                SandboxRule::SystemCall(7),
                SandboxRule::WriteBelow("/tmp".into()),
            ]
        }
    }

    /// WALL-10.
    #[test]
    fn an_extension_adds_rules_for_its_rights() {
        let with = |grant: &str| {
            let (families, base) = (
                secure_runtime_capabilities::Families::builtin(),
                Base::new("/srv").unwrap(),
            );
            let rights = families.parse_grants([grant], &base).unwrap();
            let mut plan = Plan::default();
            plan.extension(&Printers.into(), &Authority::new(Block::of(rights)).unwrap());
            plan
        };
        let plan = with("kv.write=printers/*");
        assert_eq!(plan.connect_ports(), Some(BTreeSet::from([53, 631])));
        assert_eq!(plan.listen_ports(), &BTreeSet::from([5353]));
        assert_eq!(plan.calls().collect::<Vec<_>>(), [7]);
        let (rules, _) = ours(&plan);
        assert_eq!(
            rules,
            [Rule {
                path: PathBuf::from("/tmp"),
                access: Access::WRITE,
                below: true
            }]
        );
        let plan = with("kv.write=letters/*");
        assert!(!plan.connects() && !plan.listens() && plan.calls().next().is_none());
        assert_eq!(ours(&plan).0, []);
    }

    /// WALL-4.
    #[test]
    fn ports_are_those_of_the_grants_and_of_name_servers() {
        let ports = |grants: &[&str]| plan("/srv", grants).connect_ports();
        assert_eq!(ports(&["fs.read=./x"]), Some(BTreeSet::new()));
        assert_eq!(
            ports(&[
                "net.connect=https://example.com",
                "net.connect=tcp://10.0.0.0/8:5000-5002"
            ]),
            Some(BTreeSet::from([53, 443, 5000, 5001, 5002]))
        );
        assert_eq!(ports(&["net.connect=tcp://example.com:1-65535"]), None);
        let listening = plan("/srv", &["net.listen=tcp://*:8080", "net.listen=tcp://[::1]:0"]);
        assert_eq!(listening.listen_ports(), &BTreeSet::from([0, 8080]));
        assert!(!listening.connects() && !listening.has_datagrams());
        for grant in ["net.connect=udp://example.com:53", "net.listen=udp://*:0"] {
            let datagrams = plan("/srv", &[grant]);
            assert!(datagrams.has_datagrams() && !datagrams.listens());
            assert_eq!(datagrams.connect_ports(), Some(BTreeSet::from([53])));
        }
        let resolving = plan("/srv", &["net.resolve=example.com"]);
        assert!(!resolving.has_datagrams() && !resolving.listens());
        assert_eq!(resolving.connect_ports(), Some(BTreeSet::from([53])));
        assert!(!plan("/srv", &["fs.read=./x"]).connects());
    }
}
