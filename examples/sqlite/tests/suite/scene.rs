//! Programs in temporary folders, with a database `shop`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use secure_runtime::extension::AnyExtension;
use secure_runtime::{AuditRecord, Exit, Families, Limits, OpenOptions, Program, Runtime, Verdict};
use secure_runtime_sqlite::Sql;

/// The database of the tests.
const SCHEMA: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, item TEXT);
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
    CREATE TABLE copies (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
    CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
    CREATE TABLE logged (id INTEGER PRIMARY KEY);
    CREATE TRIGGER writes_log AFTER INSERT ON logged BEGIN INSERT INTO log (what) VALUES (new.id); END;
    CREATE TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent REFERENCES parents (id) ON DELETE CASCADE);
    CREATE TABLE stamped (id INTEGER PRIMARY KEY, made TEXT DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT, value);
    CREATE TABLE \"not a name\" (id INTEGER);
    CREATE VIEW names AS SELECT customers.name AS name FROM customers;
    CREATE VIEW items AS SELECT orders.item AS item FROM orders;
    CREATE VIRTUAL TABLE search USING fts5 (body);
    INSERT INTO customers VALUES (1, 'Ada', 'ada@example.com'), (2, 'Grace', 'grace@example.com');
    INSERT INTO orders VALUES (1, 1, 'lamp'), (2, 2, 'chair');
    INSERT INTO parents VALUES (1);
    INSERT INTO children VALUES (1, 1);
    INSERT INTO search VALUES ('hidden');
    INSERT INTO \"not a name\" VALUES (1);
";

/// Functions of the programs: `attempt` returns a text for the result or the error of a call.
const PRELUDE: &str = "import { sql } from 'cap:self';
    const show = (value) => JSON.stringify(value, (key, part) => part instanceof Uint8Array ? ['bytes', ...part] : part);
    const attempt = async (call) => {
      try { return `done ${show(await call())}`; }
      catch (error) { return `${error.code ?? error.name} ${error.action ?? '-'} ${error.resource ?? '-'} ${error.message}`; }
    };\n";

/// The memory of SQLite, which all tests of the process share.
static MEMORY: RwLock<()> = RwLock::new(());

/// The use of SQLite's memory. It is only held.
#[expect(dead_code, reason = "the guards end the use when they are dropped")]
enum Memory {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// A program, and the folder of its databases.
pub(crate) struct Scene {
    _memory: Memory,
    folder: tempfile::TempDir,
    limits: Option<Limits>,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    /// The decisions, as `verdict action resource`.
    pub(crate) decisions: Vec<String>,
}

impl Scene {
    /// Creates a program `main.js` with these grants of `sql`, such as `read=shop/orders`.
    pub(crate) fn new(grants: &[&str], source: &str) -> Scene {
        Scene::empty().main(grants, source)
    }

    /// Like [`Scene::new`], for a program that takes all memory of SQLite. No other test uses SQLite meanwhile.
    pub(crate) fn alone(grants: &[&str], source: &str) -> Scene {
        let memory = MEMORY.write().unwrap_or_else(PoisonError::into_inner);
        Scene::with(Memory::Alone(memory)).main(grants, source)
    }

    fn main(self, grants: &[&str], source: &str) -> Scene {
        self.file("program/secure.toml", &manifest(grants, ""))
            .file("program/main.js", &format!("{PRELUDE}{source}"))
    }

    /// Creates the databases `shop` and `other`, and no program.
    pub(crate) fn empty() -> Scene {
        let memory = MEMORY.read().unwrap_or_else(PoisonError::into_inner);
        Scene::with(Memory::Shared(memory))
    }

    fn with(memory: Memory) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("databases")).unwrap();
        for name in ["shop.db", "other.db"] {
            let file = folder.path().join("databases").join(name);
            rusqlite::Connection::open(file)
                .unwrap()
                .execute_batch(SCHEMA)
                .unwrap();
        }
        Scene {
            _memory: memory,
            folder,
            limits: None,
        }
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Scene {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn limits(mut self, limits: Limits) -> Scene {
        self.limits = Some(limits);
        self
    }

    pub(crate) fn databases(&self) -> std::path::PathBuf {
        self.folder.path().join("databases")
    }

    pub(crate) fn program(&self) -> std::path::PathBuf {
        self.folder.path().join("program")
    }

    pub(crate) fn run(&self) -> Ran {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(self.run_here(&self.program()))
    }

    async fn run_here(&self, folder: &Path) -> Ran {
        let sql = AnyExtension::from(Sql::new(self.databases()).unwrap());
        let options = OpenOptions {
            families: Families::builtin().with(sql.family().clone()).unwrap(),
            ..OpenOptions::default()
        };
        let program = Program::open(folder, &options).await.unwrap();
        let (out, records) = (
            Arc::<Mutex<String>>::default(),
            Arc::<Mutex<Vec<AuditRecord>>>::default(),
        );
        let (printed, recorded) = (out.clone(), records.clone());
        let limits = self.limits.clone().unwrap_or_else(|| Limits {
            wall: Some(Duration::from_secs(600)),
            ..program.limits().clone()
        });
        let runtime = Runtime::builder()
            .extension(sql)
            .base(program.base())
            .shared_store(program.store())
            .limits(limits)
            .console(move |line| printed.lock().unwrap().push_str(line.text))
            .audit(move |record| {
                recorded.lock().unwrap().push(record.clone());
                Ok(())
            })
            .build()
            .unwrap();
        let exit = runtime.run(program.graph(), &[]).await.unwrap().exit;
        let decision = |record: &AuditRecord| {
            let verdict = if record.verdict == Verdict::Allowed {
                "allowed"
            } else {
                "denied"
            };
            format!("{verdict} {} {}", record.action, record.resource)
        };
        let decisions = records.lock().unwrap().iter().map(decision).collect();
        let out = out.lock().unwrap().clone();
        Ran { exit, out, decisions }
    }
}

impl Ran {
    /// Checks that the program completed, and returns its output by line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<&str> {
        assert!(matches!(self.exit, Exit::Completed), "{self:#?}");
        self.out.lines().collect()
    }
}

/// Returns a manifest with these grants of `sql`.
pub(crate) fn manifest(grants: &[&str], rest: &str) -> String {
    let scopes = |action: &str| {
        let scopes = grants
            .iter()
            .filter_map(|grant| grant.strip_prefix(action)?.strip_prefix('='));
        format!("sql.{action} = {:?}\n", scopes.collect::<Vec<_>>())
    };
    let (read, write) = (scopes("read"), scopes("write"));
    format!("[package]\nname = \"test\"\nentry = \"main.js\"\n{rest}\n[grants]\n{read}{write}")
}
