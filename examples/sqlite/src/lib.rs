//! The family `sql`: databases of SQLite, with rights for each table.
//!
//! The host gives databases names. A guest names a database and never a file. SQLite reports which tables a statement
//! uses, before it runs. The reference monitor decides each of these uses, like every other operation.

mod database;
mod family;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use secure_runtime::capabilities::{ActionName, Authority, Family, Pattern};
use secure_runtime::extension::{
    Arguments, Asked, CountedBytes, Each, Extension, Granted, Methods, OperationError, Output, SandboxRule,
    Script,
};
use tokio::sync::oneshot;

use self::database::{MOST_STATEMENT, Unprepared};
use self::statement::{Job, MOST_RESULT, Prepared, Rights, parameters};

/// The family `sql` over some databases.
pub struct Sql {
    /// The files, by the canonical names of the databases.
    databases: BTreeMap<String, PathBuf>,
}

impl Sql {
    /// Creates the family over the files `NAME.db` in a folder. A file is a database if a grant can name it.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn new(folder: impl AsRef<Path>) -> io::Result<Sql> {
        let mut databases = BTreeMap::new();
        // SQLite refuses symbolic links in the path.
        for entry in folder.as_ref().canonicalize()?.read_dir()? {
            let path = entry?.path();
            let name = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .and_then(family::name);
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|ending| ending == "db")) {
                databases.insert(name, path);
            }
        }
        Ok(Sql { databases })
    }

    /// Creates the family without databases, for commands that run no program.
    pub fn empty() -> Sql {
        Sql {
            databases: BTreeMap::new(),
        }
    }
}

/// The turn of an isolate's statements. One runs at a time, so that an isolate takes one thread.
#[derive(Default)]
pub struct Turn(tokio::sync::Mutex<()>);

type Call = Granted<'static, Sql>;

impl Extension for Sql {
    type Program = ();
    type Isolate = Turn;
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(family::SqlFamily)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:sql/sql.js",
            source: include_str!("sql.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("sql.d.ts")
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        methods
            .on_each(ActionName::READ, |asked| tables(asked, ActionName::READ))
            .asynchronous("query", |granted, arguments| run(granted, arguments, true));
        methods
            .on_each(ActionName::WRITE, |asked| tables(asked, ActionName::WRITE))
            .asynchronous("execute", |granted, arguments| run(granted, arguments, false));
    }

    fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule> {
        let has_rights_for = |database: &str| {
            let tables = Pattern::prefix(family::resource(database, ""));
            let may = |action| authority.intersects(family::SQL, action, &tables);
            may(ActionName::READ) || may(ActionName::WRITE)
        };
        let databases = self.databases.iter().filter(|(name, _)| has_rights_for(name));
        // SQLite creates its journal beside the database, also to read one after a crash. It locks both.
        let folders: BTreeSet<_> = databases.filter_map(|(_, file)| file.parent()).collect();
        let mut rules = Vec::new();
        for folder in folders {
            rules.push(SandboxRule::ReadBelow(folder.to_owned()));
            rules.push(SandboxRule::WriteBelow(folder.to_owned()));
            rules.push(SandboxRule::SystemCall(libc::SYS_fcntl));
        }
        rules
    }
}

/// Returns the tables of the database that the first argument names. A capability without a right for any of them is
/// refused before SQLite reads the statement.
fn tables(asked: &Asked<'_, Sql>, action: ActionName) -> Result<Each, OperationError> {
    let shown = format!("{}/*", asked.text(0)?);
    let operation = asked.operation(action, &shown)?;
    let pattern = Pattern::prefix(operation.resource().trim_end_matches('*'));
    Ok(Each {
        operation,
        pattern,
        shown,
    })
}

/// Stops the statement when it is dropped, because it has ended, was aborted, or its isolate ends.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn run(granted: Call, mut arguments: Arguments, is_query: bool) -> Result<Output, OperationError> {
    let text = arguments.take_text(1)?;
    // SQLite would ignore the rest after a NUL.
    if text.contains('\0') || text.len() > MOST_STATEMENT {
        let message = format!("a statement has at most {MOST_STATEMENT} bytes, and no NUL");
        return Err(OperationError::range_error(message));
    }
    let parameters = parameters(arguments.take(2))?;
    let database = granted.resource().trim_end_matches("/*").to_owned();
    let Some(file) = granted.extension().databases.get(&database).cloned() else {
        let message = format!("there is no database {database:?}");
        return Err(OperationError::system("NotFound", "ENOENT", message));
    };

    let isolate = granted.isolate()?;
    let _turn = isolate.isolate().0.lock().await;
    let held = granted.reserve_result(MOST_RESULT, "the result of").await?;
    let stop = Stop::default();
    let rights = |action| granted.effective(action).cloned().collect();
    let job = Job {
        database: database.clone(),
        file,
        text,
        parameters,
        is_query,
        rights: Rights {
            read: rights(ActionName::READ),
            write: rights(ActionName::WRITE),
        },
        is_stopped: stop.0.clone(),
    };
    let (ask, asked) = oneshot::channel();
    let (permit, permission) = oneshot::channel();
    let work = granted.blocking("a statement of", move || job.run(ask, permission));
    let decision = async {
        // Without a question, the work has failed, and its own error says why.
        let Ok(prepared) = asked.await else { return Ok(()) };
        decide(&granted, &database, prepared, is_query)?;
        let _ = permit.send(());
        Ok(())
    };
    let (result, decided) = tokio::join!(work, decision);
    decided?;
    let result = result?;
    granted.count(CountedBytes::Read, result.size())?;
    Ok(Output::reserved(result, held))
}

/// Decides every access of a statement.
fn decide(granted: &Call, database: &str, prepared: Prepared, is_query: bool) -> Result<(), OperationError> {
    let action = |is_write| {
        if is_write {
            ActionName::WRITE
        } else {
            ActionName::READ
        }
    };
    let check = |action, table: &str| {
        let resource = family::resource(database, table);
        granted.check(&granted.parse(action, &resource)?, &resource)
    };
    match prepared {
        Ok(accesses) => {
            for access in &accesses {
                check(action(access.is_write), &access.table)?;
                // A query may return the rows that it changes.
                if is_query && access.is_write {
                    check(ActionName::READ, &access.table)?;
                }
            }
            Ok(())
        }
        Err(Unprepared::Missing(access)) => {
            check(action(access.is_write), &access.table)?;
            let message = format!(
                "there is no table {:?}",
                family::resource(database, &access.table)
            );
            Err(OperationError::system("NotFound", "ENOENT", message))
        }
        Err(Unprepared::Forbidden(what)) => {
            let why = format!("a statement cannot use {what}");
            Err(granted.refuse(granted.operation(), granted.shown(), &why))
        }
        Err(Unprepared::Faulty(message)) => Err(OperationError::named("SyntaxError", message)),
    }
}
