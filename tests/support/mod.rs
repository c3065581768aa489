//! Programs in temporary folders, run through the library as an embedder would.

mod server;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secure_runtime::{AuditRecord, Exit, KvStore, Limits, OpenOptions, Program, Runtime, Verdict};
use secure_runtime_capabilities::{Base, Families, KeyPair, PublicKey, Revocations, Rights};

pub(crate) use self::server::Server;

/// Longest time of one run: a test that hangs fails instead.
const WALL: Duration = Duration::from_secs(600);

/// A program in a folder of its own, which is removed at the end of the test.
pub(crate) struct Scene {
    /// Removes the folder when it is dropped.
    _folder: tempfile::TempDir,
    base: PathBuf,
    limits: Option<Limits>,
    variables: Vec<(String, String)>,
    token: Option<(Vec<u8>, PublicKey)>,
    holder_keys: Vec<KeyPair>,
    kv: Option<Arc<dyn KvStore>>,
    revocations: Option<Revocations>,
}

impl Scene {
    /// The rights of these grants, whose relative paths are of the project.
    pub(crate) fn rights(&self, grants: &[&str]) -> Rights {
        let base = Base::new(self.base().to_str().unwrap()).unwrap();
        Families::builtin().parse_grants(grants, &base).unwrap()
    }

    /// An empty folder beside which tests may put what a program must not reach.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Without links, so that names in audit records can be compared.
        let base = folder.path().canonicalize().unwrap().join("program");
        std::fs::create_dir(&base).unwrap();
        Scene {
            _folder: folder,
            base,
            limits: None,
            variables: Vec::new(),
            token: None,
            revocations: None,
            holder_keys: Vec::new(),
            kv: None,
        }
    }

    /// A program of one file, `main.js`, that holds these grants (one line each, as on the command line).
    pub(crate) fn of_main(grants: &[&str], source: &str) -> Self {
        Scene::new()
            .file("secure.toml", manifest(grants, ""))
            .file("main.js", source)
    }

    /// The same files in a folder of their own.
    pub(crate) fn copy(scene: &Scene) -> Self {
        let copy = Scene::new();
        copy_folder(scene.base(), copy.base());
        copy
    }

    /// Writes a file, with the folders above it. The path is relative to the program's folder.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.base.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Makes a folder.
    pub(crate) fn folder(self, path: &str) -> Self {
        std::fs::create_dir_all(self.base.join(path)).unwrap();
        self
    }

    /// Makes a symbolic link at `path` to `target`, in which `${base}` is the program's folder.
    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        let path = self.base.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target.replace("${base}", self.base.to_str().unwrap()), path).unwrap();
        self
    }

    /// Limits other than the manifest's.
    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// A variable of the environment that the program may be allowed to read.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A token from outside, and the key that it must be signed under.
    pub(crate) fn token(mut self, token: &[u8], key: PublicKey) -> Self {
        self.token = Some((token.to_vec(), key));
        self
    }

    /// A key pair that the host has.
    pub(crate) fn holder_key(mut self, key: KeyPair) -> Self {
        self.holder_keys.push(key);
        self
    }

    /// The store behind `kv`; without one, each run has its own.
    pub(crate) fn kv(mut self, store: Arc<dyn KvStore>) -> Self {
        self.kv = Some(store);
        self
    }

    /// Revocations to heed.
    pub(crate) fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// The program's folder.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The content of a file of the program.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.base.join(path)).unwrap()
    }

    /// Opens and runs the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(self.run_here(arguments))
    }

    async fn run_here(&self, arguments: &[&str]) -> Ran {
        let captured = Captured::default();
        let exit = self.exit(arguments, &captured).await;
        let take = |text: &Mutex<String>| std::mem::take(&mut *text.lock().unwrap());
        Ran {
            exit,
            out: take(&captured.out),
            err: take(&captured.err),
            audit: std::mem::take(&mut *captured.audit.lock().unwrap()),
        }
    }

    async fn exit(&self, arguments: &[&str], captured: &Captured) -> Result<Exit, String> {
        let program = Program::open(&self.base, &OpenOptions::default())
            .await
            .map_err(|error| error.to_string())?;
        let limits = self.limits.clone().unwrap_or_else(|| Limits {
            wall: program.limits().wall.or(Some(WALL)),
            ..program.limits().clone()
        });
        let (out, err) = (captured.out.clone(), captured.err.clone());
        let audit = captured.audit.clone();
        let variables = self.variables.clone();
        let mut builder = Runtime::builder();
        if let Some((token, key)) = &self.token {
            builder = builder.token(token.clone()).root_key(*key);
        }
        if let Some(revocations) = &self.revocations {
            builder = builder.revocations(revocations.clone());
        }
        for key in &self.holder_keys {
            builder = builder.holder_key(key);
        }
        if let Some(store) = &self.kv {
            builder = builder.kv(store.clone());
        }
        let waiting = std::env::var_os(WAITING).map_or(0, |_| 1);
        let runtime = builder
            .idle_isolates(waiting)
            .base(program.base())
            .shared_store(program.store())
            .limits(limits)
            .console(move |line| {
                let stream = if line.is_error { &err } else { &out };
                stream.lock().unwrap().push_str(line.text);
            })
            .audit(move |record| {
                audit.lock().unwrap().push(record.clone());
                Ok(())
            })
            .variables(move |name| {
                let found = variables.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone())
            })
            .build()
            .map_err(|error| error.to_string())?;
        while std::env::var_os(WAITING).is_some() && runtime.idle_isolates() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let outcome = runtime.run(program.graph(), &arguments).await;
        outcome
            .map(|outcome| outcome.exit)
            .map_err(|error| error.to_string())
    }
}

#[derive(Default)]
struct Captured {
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    audit: Arc<Mutex<Vec<AuditRecord>>>,
}

/// Set, programs run in isolates that waited for one.
pub(crate) const WAITING: &str = "SECURE_RUNTIME_TEST_WAITING";

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How it ended; or why it could not be opened or started, as people read it.
    pub(crate) exit: Result<Exit, String>,
    /// What it printed with `console.log` and its like.
    pub(crate) out: String,
    /// What it printed with `console.error` and `console.warn`.
    #[expect(dead_code, reason = "shown when a test fails")]
    pub(crate) err: String,
    /// Every decision, in order.
    pub(crate) audit: Vec<AuditRecord>,
}

impl Ran {
    /// Fails the test unless the program ran to its end.
    #[track_caller]
    pub(crate) fn completed(self) -> Self {
        assert!(matches!(self.exit, Ok(Exit::Completed)), "{self:#?}");
        self
    }

    /// The decisions as `verdict family action resource`.
    pub(crate) fn decisions(&self) -> Vec<String> {
        self.audit.iter().map(decision).collect()
    }

    /// The decisions as `verdict family action resource by module`.
    pub(crate) fn decisions_by_module(&self) -> Vec<String> {
        let by_module = |record: &AuditRecord| format!("{} by {}", decision(record), record.module);
        self.audit.iter().map(by_module).collect()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn decision(record: &AuditRecord) -> String {
    let verdict = match record.verdict {
        Verdict::Allowed => "allowed",
        Verdict::Denied => "denied",
        _ => "unknown",
    };
    format!(
        "{verdict} {} {} {}",
        record.family, record.action, record.resource
    )
}

/// A manifest with these grants, and more text after them. The entry is `main.js`.
pub(crate) fn manifest(grants: &[&str], rest: &str) -> String {
    format!(
        "[package]\nname = \"test\"\nentry = \"main.js\"\n\n{rest}\n[grants]\n{}",
        grant_table(grants)
    )
}

/// Grants in their one-line form as lines of a TOML table: `fs.read=./a` and `fs.read=./b` become one line.
pub(crate) fn grant_table(grants: &[&str]) -> String {
    let mut scopes: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for grant in grants {
        let (what, scope) = grant.split_once('=').expect("a grant has `=`");
        scopes.entry(what).or_default().push(scope);
    }
    let mut table = String::new();
    for (what, scopes) in scopes {
        match what {
            "random" if scopes == ["true"] => table.push_str("random = true\n"),
            "clock" | "random" => table.push_str(&format!("{what} = {:?}\n", scopes[0])),
            _ => table.push_str(&format!("{what} = {scopes:?}\n")),
        }
    }
    table
}
