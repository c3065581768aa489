//! Programs in temporary folders, which run through the library like in an embedder.

mod server;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secure_runtime::extension::AnyExtension;
use secure_runtime::{
    AuditRecord, Exit, Instance, KvStore, Limits, OpenOptions, OperationRow, Outcome, Program, Returned,
    Runtime, Secret, Verdict,
};
use secure_runtime_capabilities::{Base, Families, KeyPair, PublicKey, Revocations, Rights};

pub(crate) use self::server::Server;

/// Maximum time of a run, so that a test that hangs fails.
const WALL: Duration = Duration::from_secs(600);

/// Returns the root folder of the repository. The tests belong to the package `cli`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns the operations of the built-in families.
pub(crate) fn operations() -> Vec<OperationRow> {
    secure_runtime::operations(&[]).unwrap()
}

/// A program in a temporary folder, which is removed at the end of the test.
pub(crate) struct Scene {
    /// Removes the folder when it is dropped.
    _folder: tempfile::TempDir,
    base: PathBuf,
    limits: Option<Limits>,
    variables: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
    token: Option<(Vec<u8>, PublicKey)>,
    holder_keys: Vec<KeyPair>,
    kv: Option<Arc<dyn KvStore>>,
    revocations: Option<Revocations>,
    extensions: Vec<AnyExtension>,
}

impl Scene {
    /// Parses grants, with paths relative to the project.
    pub(crate) fn rights(&self, grants: &[&str]) -> Rights {
        let base = Base::new(self.base().to_str().unwrap()).unwrap();
        Families::builtin().parse_grants(grants, &base).unwrap()
    }

    /// Creates an empty folder. Beside it, tests may put files that a program must not reach.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Without symbolic links, so that names in audit records can be compared.
        let base = folder.path().canonicalize().unwrap().join("program");
        std::fs::create_dir(&base).unwrap();
        Scene {
            _folder: folder,
            base,
            limits: None,
            variables: Vec::new(),
            secrets: Vec::new(),
            token: None,
            revocations: None,
            holder_keys: Vec::new(),
            kv: None,
            extensions: Vec::new(),
        }
    }

    /// Creates a program with the single file `main.js` and these grants, in one-line form like on the command line.
    pub(crate) fn of_main(grants: &[&str], source: &str) -> Self {
        Scene::new()
            .file("secure.toml", manifest(grants, ""))
            .file("main.js", source)
    }

    /// Copies a scene to a new folder.
    pub(crate) fn copy(scene: &Scene) -> Self {
        let copy = Scene::new();
        copy_folder(scene.base(), copy.base());
        copy
    }

    /// Writes a file and creates its parent folders. The path is relative to the program's folder.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.base.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Creates a folder.
    pub(crate) fn folder(self, path: &str) -> Self {
        std::fs::create_dir_all(self.base.join(path)).unwrap();
        self
    }

    /// Creates a symbolic link at `path` to `target`, in which `${base}` is replaced by the program's folder.
    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        let path = self.base.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target.replace("${base}", self.base.to_str().unwrap()), path).unwrap();
        self
    }

    /// Sets limits that replace those of the manifest.
    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Adds an environment variable that the program may be allowed to read.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a secret that the host holds for the program.
    pub(crate) fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a token for the program, and the key that it must be signed under.
    pub(crate) fn token(mut self, token: &[u8], key: PublicKey) -> Self {
        self.token = Some((token.to_vec(), key));
        self
    }

    /// Adds a key pair that the host holds.
    pub(crate) fn holder_key(mut self, key: KeyPair) -> Self {
        self.holder_keys.push(key);
        self
    }

    /// Sets the store of `kv`. Without it, each run has its own.
    pub(crate) fn kv(mut self, store: Arc<dyn KvStore>) -> Self {
        self.kv = Some(store);
        self
    }

    /// Adds a family besides the built-in ones.
    pub(crate) fn extension(mut self, extension: impl Into<AnyExtension>) -> Self {
        self.extensions.push(extension.into());
        self
    }

    /// Sets the revocations for the run.
    pub(crate) fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Returns the program's folder.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Returns the content of a file of the program.
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
        let outcome = self.outcome(arguments, &captured).await;
        let (returned, held) = match &outcome {
            Ok(outcome) => (outcome.returned.clone(), outcome.memory.held),
            Err(_) => (Returned::Nothing, 0),
        };
        let take = |text: &Mutex<String>| std::mem::take(&mut *text.lock().unwrap());
        Ran {
            exit: outcome.map(|outcome| outcome.exit),
            returned,
            held,
            out: take(&captured.out),
            err: take(&captured.err),
            audit: std::mem::take(&mut *captured.audit.lock().unwrap()),
        }
    }

    async fn outcome(&self, arguments: &[&str], captured: &Captured) -> Result<Outcome, String> {
        let (runtime, program) = self.runtime(captured).await?;
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let outcome = runtime.run(program.graph(), &arguments).await;
        outcome.map_err(|error| error.to_string())
    }

    /// Starts the program as an instance, and returns what `test` returns.
    pub(crate) fn serve<T, F: Future<Output = T>>(
        &self,
        test: impl FnOnce(Instance, Captured) -> F,
    ) -> Result<T, String> {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(async {
            let captured = Captured::default();
            let (runtime, program) = self.runtime(&captured).await?;
            let instance = runtime.start(program.graph()).await;
            let instance = instance.map_err(|error| error.to_string())?;
            Ok(test(instance, captured).await)
        })
    }

    /// Opens the program, and returns it with a runtime for it.
    async fn runtime(&self, captured: &Captured) -> Result<(Runtime, Program), String> {
        let mut families = Families::builtin();
        for extension in &self.extensions {
            families = families.with(extension.family().clone()).unwrap();
        }
        let options = OpenOptions {
            families,
            ..OpenOptions::default()
        };
        let program = Program::open(&self.base, &options)
            .await
            .map_err(|error| error.to_string())?;
        let limits = self.limits.clone().unwrap_or_else(|| Limits {
            wall: program.limits().wall.or(Some(WALL)),
            ..program.limits().clone()
        });
        let (out, err) = (captured.out.clone(), captured.err.clone());
        let audit = captured.audit.clone();
        let variables = self.variables.clone();
        let secrets = self.secrets.clone();
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
        for extension in &self.extensions {
            builder = builder.extension(extension.clone());
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
            .secrets(move |name| {
                let found = secrets.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| Secret::new(value.as_str()))
            })
            .build()
            .map_err(|error| error.to_string())?;
        while std::env::var_os(WAITING).is_some() && runtime.idle_isolates() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        Ok((runtime, program))
    }
}

/// The output and the decisions of a program.
#[derive(Clone, Default)]
pub(crate) struct Captured {
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    audit: Arc<Mutex<Vec<AuditRecord>>>,
}

impl Captured {
    /// Waits until the error output has this text.
    pub(crate) async fn wait_for_error(&self, text: &str) {
        wait_for(&self.err, text).await;
    }

    /// Waits until the output has this text.
    pub(crate) async fn wait_for(&self, text: &str) {
        wait_for(&self.out, text).await;
    }

    /// Returns the decisions until now as `verdict family action resource`.
    pub(crate) fn decisions(&self) -> Vec<String> {
        self.audit.lock().unwrap().iter().map(decision).collect()
    }
}

async fn wait_for(output: &Mutex<String>, text: &str) {
    let end = std::time::Instant::now() + WALL;
    while !output.lock().unwrap().contains(text) {
        assert!(std::time::Instant::now() < end, "no {text:?} in {output:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The variable that makes programs run in warm isolates.
pub(crate) const WAITING: &str = "SECURE_RUNTIME_TEST_WAITING";

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The end of the run, or the message of the error that prevented its start.
    pub(crate) exit: Result<Exit, String>,
    /// The result of the entry function.
    pub(crate) returned: Returned,
    /// The most bytes that the accounts of the isolates counted.
    pub(crate) held: u64,
    /// The output of `console.log` and similar functions.
    pub(crate) out: String,
    /// The output of `console.error` and `console.warn`.
    pub(crate) err: String,
    /// All decisions in order.
    pub(crate) audit: Vec<AuditRecord>,
}

impl Ran {
    /// Checks that the program completed.
    #[track_caller]
    pub(crate) fn completed(self) -> Self {
        assert!(matches!(self.exit, Ok(Exit::Completed)), "{self:#?}");
        self
    }

    /// Returns the decisions as `verdict family action resource`.
    pub(crate) fn decisions(&self) -> Vec<String> {
        self.audit.iter().map(decision).collect()
    }

    /// Returns the decisions as `verdict family action resource by module`.
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

/// Returns a manifest with these grants and with `rest`. The entry is `main.js`.
pub(crate) fn manifest(grants: &[&str], rest: &str) -> String {
    format!(
        "[package]\nname = \"test\"\nentry = \"main.js\"\n\n{rest}\n[grants]\n{}",
        grant_table(grants)
    )
}

/// Formats grants in one-line form as lines of a TOML table. `fs.read=./a` and `fs.read=./b` become one line.
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
