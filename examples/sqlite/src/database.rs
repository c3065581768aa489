//! A connection to a database, and the statements that it prepares under SQLite's authorizer.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, OpenFlags, Statement};

use crate::family;

/// The reason for the refusal of statements that change more than rows.
const SCHEMA: &str = "a change of the schema or of the file";
/// The name that SQLite gives the only database of a connection.
const MAIN: &str = "main";
/// Maximum length of a text, of bytes and of a row, in bytes.
const MOST_VALUE: i32 = 1 << 20;
/// Maximum length of a statement, in bytes.
pub(crate) const MOST_STATEMENT: usize = 64 << 10;
/// Maximum memory that SQLite takes in the whole process, in bytes. Sorting and temporary tables take it.
const MOST_HEAP: u32 = 64 << 20;
/// Number of instructions of SQLite between two looks at the flag that stops a statement.
const INSTRUCTIONS: i32 = 1000;
/// Maximum time to wait for other connections that write.
const BUSY: Duration = Duration::from_secs(1);

/// Limits of each connection. A statement cannot change them.
const LIMITS: [(Limit, i32); 10] = [
    (Limit::SQLITE_LIMIT_LENGTH, MOST_VALUE),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MOST_STATEMENT as i32),
    (Limit::SQLITE_LIMIT_COLUMN, 200),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 999),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Settings of each connection. They distrust the content of the file and the texts of guests.
const SETTINGS: [(DbConfig, bool); 6] = [
    // No statement changes the schema's table or internal tables directly.
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    // Views, triggers and defaults of the file call no function with side effects.
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    // A text in double quotes is a name, and never a value.
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
];

/// The functions of SQLite that statements may call. They compute their result from their arguments.
///
/// Functions that read the time, random numbers or the state of the connection are missing. So are those that read
/// files or load code.
const FUNCTIONS: &str = " -> ->> abs avg ceil ceiling coalesce concat concat_ws count cume_dist dense_rank \
first_value floor format glob group_concat hex ifnull iif instr json json_array json_array_length json_extract \
json_group_array json_group_object json_object json_quote json_type json_valid lag last_value lead length like \
likelihood likely lower ltrim max min mod nth_value ntile nullif octet_length percent_rank pow power printf quote rank \
replace round row_number rtrim sign sqrt string_agg substr substring sum total trim typeof unhex unicode unlikely \
upper ";

/// A use of a table. The name is canonical.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) table: String,
    pub(crate) is_write: bool,
}

/// The reason why a statement cannot be prepared.
#[derive(Debug)]
pub(crate) enum Unprepared {
    /// It does what no statement may do. The text says what.
    Forbidden(String),
    /// It names a table that does not exist.
    Missing(Access),
    /// It is wrong. The text is SQLite's message.
    Faulty(String),
}

/// The authorizer of one connection.
///
/// Until the accesses of the statement are decided, it collects them. Then it allows only these, also if SQLite
/// prepares the statement again because the schema has changed.
#[derive(Default)]
struct Authorizer {
    /// The tables and views that a grant can name.
    tables: BTreeSet<String>,
    /// The other names of the schema, and those of virtual tables that SQLite provides. They are in lower case.
    hidden: BTreeSet<String>,
    accesses: BTreeSet<Access>,
    /// True if the statement contains a `SELECT`.
    is_select: bool,
    forbidden: Option<String>,
    is_decided: bool,
}

impl Authorizer {
    fn authorize(&mut self, context: &AuthContext<'_>) -> Authorization {
        let what = match context.action {
            AuthAction::Select => {
                self.is_select = true;
                return Authorization::Allow;
            }
            AuthAction::Recursive => return Authorization::Allow,
            AuthAction::Read {
                table_name,
                column_name,
            } => return self.read(context, table_name, column_name),
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name } => {
                return self.access(context.database_name, table_name, true);
            }
            AuthAction::Function { function_name } if FUNCTIONS.contains(&format!(" {function_name} ")) => {
                return Authorization::Allow;
            }
            AuthAction::Function { function_name } => format!("the function {function_name:?}"),
            AuthAction::Pragma { .. } => "PRAGMA".to_owned(),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => "another database".to_owned(),
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                "a transaction: each statement is one of its own".to_owned()
            }
            _ => SCHEMA.to_owned(),
        };
        self.forbid(what)
    }

    fn read(&mut self, context: &AuthContext<'_>, table: &str, column: &str) -> Authorization {
        // SQLite reports a table of which no column is read with an empty column, and without the database if the
        // statement does not name it. There are no temporary tables and no other databases, so it is in `main`.
        if !column.is_empty() || context.database_name.is_some() {
            return self.access(context.database_name, table, false);
        }
        let name = table.to_ascii_lowercase();
        if self.tables.contains(&name) || self.hidden.contains(&name) || is_of_sqlite(&name) {
            return self.access(Some(MAIN), table, false);
        }
        // No table has the name, so it is a subquery. What it reads is reported as well.
        Authorization::Allow
    }

    fn access(&mut self, database: Option<&str>, table: &str, is_write: bool) -> Authorization {
        // Virtual tables, tables of SQLite and temporary tables are not in the list.
        let known = family::name(table).filter(|name| self.tables.contains(name));
        let Some(table) = known.filter(|_| database == Some(MAIN)) else {
            return self.forbid("a table of SQLite itself, or one that no grant can name".to_owned());
        };
        let access = Access { table, is_write };
        if self.is_decided {
            return match self.accesses.contains(&access) {
                true => Authorization::Allow,
                false => Authorization::Deny,
            };
        }
        self.accesses.insert(access);
        Authorization::Allow
    }

    fn forbid(&mut self, what: String) -> Authorization {
        self.forbidden.get_or_insert(what);
        Authorization::Deny
    }
}

/// The definition of a table, view, index or trigger.
struct Definition {
    /// The canonical name of the table that it belongs to.
    table: String,
    is_table: bool,
    sql: String,
}

/// A connection that serves one statement.
pub(crate) struct Database {
    connection: Connection,
    definitions: Vec<Definition>,
    authorizer: Arc<Mutex<Authorizer>>,
}

impl Database {
    /// Opens the file of a database. A statement on it ends soon after the flag is set.
    pub(crate) fn open(file: &Path, is_stopped: Arc<AtomicBool>) -> rusqlite::Result<Database> {
        // Without the flags for creation and for URIs, the path is only a path of an existing file.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
        Database::of(Connection::open_with_flags(file, flags)?, is_stopped)
    }

    fn of(mut connection: Connection, is_stopped: Arc<AtomicBool>) -> rusqlite::Result<Database> {
        for (limit, most) in LIMITS {
            connection.set_limit(limit, most)?;
        }
        for (setting, is_on) in SETTINGS {
            connection.set_db_config(setting, is_on)?;
        }
        connection.busy_timeout(BUSY)?;
        connection.pragma_update_and_check(None, "hard_heap_limit", MOST_HEAP, |_| Ok(()))?;
        // Files for temporary tables and large sorts would be in a folder that the OS sandbox does not allow.
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.progress_handler(INSTRUCTIONS, Some(move || is_stopped.load(Ordering::Relaxed)))?;
        let definitions = definitions(&connection)?;
        let tables = definitions.iter().filter(|definition| definition.is_table);
        let tables = tables.map(|definition| definition.table.clone()).collect();
        let hidden = hidden(&connection)?;
        let authorizer = Arc::new(Mutex::new(Authorizer {
            tables,
            hidden,
            ..Authorizer::default()
        }));
        let shared = authorizer.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            locked(&shared).authorize(&context)
        }))?;
        Ok(Database {
            connection,
            definitions,
            authorizer,
        })
    }

    /// Returns a database in memory that has only the tables that `sees` selects, with their indexes and triggers, and
    /// no rows.
    pub(crate) fn without_hidden(&self, sees: impl Fn(&str) -> bool) -> rusqlite::Result<Database> {
        let copy = Connection::open_in_memory()?;
        for definition in self
            .definitions
            .iter()
            .filter(|definition| sees(&definition.table))
        {
            // A definition that an older SQLite has accepted may fail. Then the copy has less, which is safe.
            let _ = copy.execute_batch(&definition.sql);
        }
        Database::of(copy, Arc::default())
    }

    /// Prepares a statement. Returns it with its accesses.
    pub(crate) fn prepare(&self, text: &str) -> Result<(Statement<'_>, BTreeSet<Access>), Unprepared> {
        let prepared = self.connection.prepare(text);
        let authorizer = locked(&self.authorizer);
        if let Some(what) = &authorizer.forbidden {
            return Err(Unprepared::Forbidden(what.clone()));
        }
        match prepared {
            Ok(statement) if statement.is_explain() != 0 => Err(Unprepared::Forbidden("EXPLAIN".to_owned())),
            Ok(statement) => {
                let accesses = authorizer.accesses.clone();
                let writes = accesses.iter().any(|access| access.is_write);
                // SQLite prepares VACUUM, and REINDEX of a table without an index, without asking the authorizer.
                let is_known = authorizer.is_select || !accesses.is_empty();
                if !is_known || (!writes && !statement.readonly()) {
                    return Err(Unprepared::Forbidden(SCHEMA.to_owned()));
                }
                Ok((statement, accesses))
            }
            Err(Error::MultipleStatement) => Err(Unprepared::Forbidden("more than one statement".to_owned())),
            Err(Error::Empty) => Err(Unprepared::Faulty("there is no statement".to_owned())),
            Err(error) => {
                let message = message(&error);
                let table = message.strip_prefix("no such table: ");
                let table = table.map(|table| table.strip_prefix("main.").unwrap_or(table));
                Err(match table.and_then(family::name) {
                    Some(table) => Unprepared::Missing(Access {
                        is_write: is_target(text, &table),
                        table,
                    }),
                    None => Unprepared::Faulty(message),
                })
            }
        }
    }

    /// Ends the collection of accesses. From now on, statements can use only those that were collected.
    pub(crate) fn decided(&self) {
        locked(&self.authorizer).is_decided = true;
    }

    /// Returns the number of rows that the last statement has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.connection.changes()
    }
}

/// Returns the definitions that guests may use: tables and views first, then indexes and triggers.
fn definitions(connection: &Connection) -> rusqlite::Result<Vec<Definition>> {
    let mut statement = connection.prepare(
        "SELECT tbl_name, type IN ('table', 'view') AS is_table, sql FROM sqlite_schema \
         WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND sql NOT LIKE 'CREATE VIRTUAL%' \
         ORDER BY is_table DESC, type = 'table' DESC, rowid",
    )?;
    let rows = statement.query_map((), |row| {
        let table: String = row.get(0)?;
        let (is_table, sql) = (row.get(1)?, row.get(2)?);
        Ok(family::name(&table).map(|table| Definition { table, is_table, sql }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// Returns all names of the schema, and those of the modules of virtual tables. They are in lower case.
fn hidden(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection
        .prepare("SELECT lower(name) FROM sqlite_schema UNION SELECT lower(name) FROM pragma_module_list")?;
    let names = statement.query_map((), |row| row.get(0))?;
    names.collect()
}

/// Returns true if SQLite provides a table with this name, or may create one when a statement names it.
fn is_of_sqlite(name: &str) -> bool {
    ["sqlite_", "pragma_", "json"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Returns true if a statement probably writes to a table that it cannot find. It only selects the words of the denial.
fn is_target(text: &str, table: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let before = text.split(table).next().unwrap_or_default();
    let mut words = before.split(|character: char| !character.is_ascii_alphanumeric());
    let first = words.find(|word| !word.is_empty());
    first.is_some_and(|first| ["insert", "replace", "update", "delete"].contains(&first))
        && !words.any(|word| ["select", "set", "where", "values"].contains(&word))
}

/// Returns SQLite's message.
pub(crate) fn message(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

fn locked(authorizer: &Mutex<Authorizer>) -> MutexGuard<'_, Authorizer> {
    authorizer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQLite prepares a statement again if the schema has changed. Then it may not do more than was decided.
    #[test]
    fn a_statement_that_is_prepared_again_does_nothing_new() -> Result<(), Box<dyn std::error::Error>> {
        for (change, is_allowed) in [
            ("CREATE TABLE unrelated (id)", true),
            ("DROP VIEW v; CREATE VIEW v AS SELECT id FROM hidden", false),
        ] {
            let folder = tempfile::tempdir()?;
            let file = folder.path().canonicalize()?.join("a.db");
            let other = Connection::open(&file)?;
            other.execute_batch(
                "CREATE TABLE plain (id); CREATE TABLE hidden (id); INSERT INTO hidden VALUES (1);
                CREATE VIEW v AS SELECT id FROM plain",
            )?;
            let database = Database::open(&file, Arc::default())?;
            let (mut statement, accesses) = database.prepare("SELECT id FROM v").map_err(|_| "unprepared")?;
            let tables: Vec<&str> = accesses.iter().map(|access| access.table.as_str()).collect();
            assert_eq!(tables, ["plain", "v"]);
            database.decided();
            other.execute_batch(change)?;
            assert_eq!(statement.raw_query().next().is_ok(), is_allowed, "{change}");
        }
        Ok(())
    }
}
