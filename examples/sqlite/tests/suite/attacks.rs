//! Statements that reach for more than the rights, each with a control that must succeed.

use std::collections::BTreeMap;

use crate::scene::Scene;

/// A statement that is refused, and the control.
struct Attack {
    text: &'static str,
    grants: &'static [&'static str],
    /// The beginning of the error: its code, the action and the resource.
    refused: &'static str,
    control: Control,
}

enum Control {
    /// The same statement succeeds with these grants in addition.
    With(&'static [&'static str]),
    /// This statement succeeds with the same grants.
    Statement(&'static str),
}

use Control::{Statement, With};

const fn attack(
    grants: &'static [&'static str],
    text: &'static str,
    refused: &'static str,
    control: Control,
) -> Attack {
    Attack {
        text,
        grants,
        refused,
        control,
    }
}

const ORDERS: &[&str] = &["read=shop/orders"];
const WRITES: &[&str] = &["read=shop/orders", "write=shop/orders"];
const ALL: &[&str] = &["read=shop/*", "write=shop/*"];
const READS_CUSTOMERS: Control = With(&["read=shop/customers"]);

/// Statements that `query` runs.
const QUERIES: &[Attack] = &[
    attack(
        ORDERS,
        "SELECT * FROM customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT 1 AS one FROM customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT count(*) AS n FROM customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT item, email FROM orders JOIN customers ON customers.id = customer",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT item FROM orders LEFT JOIN customers USING (id)",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT item FROM orders WHERE customer IN (SELECT id FROM customers)",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT item FROM orders WHERE EXISTS (SELECT 1 FROM customers)",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT item FROM orders ORDER BY (SELECT max(id) FROM customers)",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT item FROM orders UNION SELECT email FROM customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "WITH t AS (SELECT email FROM customers) SELECT * FROM t",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "WITH orders AS (SELECT email FROM customers) SELECT * FROM orders",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t, customers LIMIT 3) SELECT * FROM t",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT email FROM main.customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT email FROM \"Customers\"",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT email FROM [CUSTOMERS]",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT email FROM `customers` AS orders",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "SELECT email FROM 'customers'",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        ORDERS,
        "/* orders */ SELECT email -- orders\n FROM customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    // A view needs the right for itself, and for what it reads.
    attack(
        ORDERS,
        "SELECT item FROM items",
        "denied read shop/items",
        With(&["read=shop/items"]),
    ),
    attack(
        &["read=shop/items"],
        "SELECT item FROM items",
        "denied read shop/orders",
        With(ORDERS),
    ),
    attack(
        &["read=shop/names"],
        "SELECT name FROM names",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        &["read=shop/names"],
        "SELECT count(*) AS n FROM names",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    // The catalogue, tables of SQLite, and tables that no grant can name.
    attack(
        ALL,
        "SELECT sql FROM sqlite_master",
        "denied read shop/*",
        Statement("SELECT item FROM orders"),
    ),
    attack(
        ALL,
        "SELECT sql FROM sqlite_schema",
        "denied read shop/*",
        Statement("SELECT item FROM orders"),
    ),
    attack(
        ALL,
        "SELECT name FROM sqlite_temp_master",
        "denied read shop/*",
        Statement("SELECT item FROM orders"),
    ),
    attack(
        ALL,
        "SELECT seq FROM sqlite_sequence",
        "denied read shop/*",
        Statement("SELECT id FROM numbered"),
    ),
    attack(
        ALL,
        "SELECT name FROM pragma_table_info('customers')",
        "denied read shop/*",
        Statement("SELECT name FROM customers"),
    ),
    attack(
        ALL,
        "SELECT name FROM dbstat",
        "denied read shop/*",
        Statement("SELECT name FROM customers"),
    ),
    attack(
        ALL,
        "SELECT value FROM json_each('[1]')",
        "denied read shop/*",
        Statement("SELECT json_extract('[1]', '$[0]') AS value"),
    ),
    attack(
        ALL,
        "SELECT body FROM search",
        "ENOENT",
        Statement("SELECT item FROM orders"),
    ),
    attack(
        ALL,
        "SELECT id FROM \"not a name\"",
        "SyntaxError",
        Statement("SELECT id FROM orders"),
    ),
    attack(
        ALL,
        "PRAGMA table_info(customers)",
        "denied read shop/*",
        Statement("SELECT item FROM orders"),
    ),
    attack(
        ALL,
        "PRAGMA database_list",
        "denied read shop/*",
        Statement("SELECT item FROM orders"),
    ),
    attack(
        ALL,
        "EXPLAIN SELECT item FROM orders",
        "denied read shop/*",
        Statement("SELECT item FROM orders"),
    ),
    attack(
        ALL,
        "EXPLAIN QUERY PLAN SELECT item FROM orders",
        "denied read shop/*",
        Statement("SELECT item FROM orders"),
    ),
    // SQLite reports a table of which no column is read in another way.
    attack(
        ALL,
        "SELECT count(*) AS n FROM sqlite_master",
        "denied read shop/*",
        Statement("WITH t AS (SELECT 1) SELECT count(*) AS n FROM t"),
    ),
    attack(
        ALL,
        "SELECT 1 AS one FROM dbstat",
        "denied read shop/*",
        Statement("WITH t AS (SELECT 1) SELECT count(*) AS n FROM t"),
    ),
    attack(
        ALL,
        "SELECT 1 AS one FROM pragma_table_info('orders')",
        "denied read shop/*",
        Statement("WITH t AS (SELECT 1) SELECT count(*) AS n FROM t"),
    ),
    attack(
        ALL,
        "SELECT 1 AS one FROM json_each('[1]')",
        "denied read shop/*",
        Statement("WITH t AS (SELECT 1) SELECT count(*) AS n FROM t"),
    ),
    attack(
        ALL,
        "SELECT count(*) AS n FROM search",
        "ENOENT",
        Statement("WITH t AS (SELECT 1) SELECT count(*) AS n FROM t"),
    ),
    attack(
        ALL,
        "SELECT count(*) AS n FROM \"not a name\"",
        "SyntaxError",
        Statement("WITH t AS (SELECT 1) SELECT count(*) AS n FROM t"),
    ),
    // Functions that have effects, or read what needs a capability.
    attack(
        ALL,
        "SELECT load_extension('x') AS x",
        "denied read shop/*",
        Statement("SELECT length('x') AS x"),
    ),
    attack(
        ALL,
        "SELECT random() AS x",
        "denied read shop/*",
        Statement("SELECT abs(-1) AS x"),
    ),
    attack(
        ALL,
        "SELECT hex(randomblob(4)) AS x",
        "denied read shop/*",
        Statement("SELECT hex(x'00') AS x"),
    ),
    attack(
        ALL,
        "SELECT datetime('now') AS x",
        "denied read shop/*",
        Statement("SELECT lower('NOW') AS x"),
    ),
    attack(
        ALL,
        "SELECT CURRENT_TIMESTAMP AS x",
        "denied read shop/*",
        Statement("SELECT 1 AS x"),
    ),
    attack(
        ALL,
        "SELECT fts3_tokenizer('simple') AS x",
        "denied read shop/*",
        Statement("SELECT upper('x') AS x"),
    ),
    attack(
        ALL,
        "SELECT sqlite_compileoption_get(1) AS x",
        "denied read shop/*",
        Statement("SELECT upper('x') AS x"),
    ),
    attack(
        ALL,
        "SELECT item FROM orders; SELECT item FROM orders",
        "denied read shop/*",
        Statement("SELECT item FROM orders; -- nothing follows"),
    ),
    attack(
        ALL,
        "SELECT item FROM orders; DROP TABLE orders",
        "denied read shop/*",
        Statement("SELECT item FROM orders;"),
    ),
    attack(
        &["read=shop/customers", "write=shop/orders"],
        "DELETE FROM orders RETURNING 1 AS one",
        "denied read shop/orders",
        With(ORDERS),
    ),
    // Rows that a statement changes and returns.
    attack(
        &["read=shop/customers", "write=shop/orders"],
        "DELETE FROM orders RETURNING item",
        "denied read shop/orders",
        With(ORDERS),
    ),
    attack(
        &["read=shop/customers", "write=shop/orders"],
        "INSERT INTO orders VALUES (9, 9, 'x') RETURNING item",
        "denied read shop/orders",
        With(ORDERS),
    ),
    attack(
        ORDERS,
        "DELETE FROM orders RETURNING item",
        "denied write shop/orders",
        With(WRITES),
    ),
    attack(
        ORDERS,
        "INSERT INTO orders VALUES (9, 9, 'x') RETURNING item",
        "denied write shop/orders",
        With(WRITES),
    ),
];

/// Statements that `execute` runs.
const CHANGES: &[Attack] = &[
    attack(
        WRITES,
        "DELETE FROM customers",
        "denied write shop/customers",
        With(&["write=shop/customers"]),
    ),
    attack(
        WRITES,
        "DELETE FROM customers WHERE id = 1",
        "denied write shop/customers",
        With(&["read=shop/customers", "write=shop/customers"]),
    ),
    attack(
        &["write=shop/orders"],
        "DELETE FROM orders WHERE item = 'lamp'",
        "denied read shop/orders",
        With(ORDERS),
    ),
    attack(
        &["write=shop/orders"],
        "UPDATE orders SET item = item || '!'",
        "denied read shop/orders",
        With(ORDERS),
    ),
    attack(ORDERS, "DELETE FROM orders", "denied write shop/*", With(WRITES)),
    attack(
        WRITES,
        "UPDATE customers SET name = 'x'",
        "denied write shop/customers",
        With(&["write=shop/customers"]),
    ),
    attack(
        WRITES,
        "INSERT INTO customers VALUES (9, 'x', 'x')",
        "denied write shop/customers",
        With(&["write=shop/customers"]),
    ),
    attack(
        WRITES,
        "REPLACE INTO customers VALUES (1, 'x', 'x')",
        "denied write shop/customers",
        With(&["write=shop/customers"]),
    ),
    attack(
        WRITES,
        "INSERT INTO orders SELECT id, id, email FROM customers WHERE id > 5",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    // Both tables have the same columns, so SQLite copies whole rows.
    attack(
        &["write=shop/copies"],
        "INSERT INTO copies SELECT * FROM customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        WRITES,
        "UPDATE orders SET item = 'x' WHERE customer IN (SELECT id FROM customers)",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        WRITES,
        "UPDATE orders SET item = (SELECT email FROM customers)",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        WRITES,
        "UPDATE orders SET item = email FROM customers",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        WRITES,
        "DELETE FROM orders WHERE EXISTS (SELECT 1 FROM customers)",
        "denied read shop/customers",
        READS_CUSTOMERS,
    ),
    attack(
        &["write=shop/orders"],
        "INSERT INTO orders VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET item = orders.item || '!'",
        "denied read shop/orders",
        With(ORDERS),
    ),
    // A trigger and a foreign key reach other tables.
    attack(
        &["write=shop/logged"],
        "INSERT INTO logged VALUES (1)",
        "denied write shop/log",
        With(&["write=shop/log", "read=shop/logged"]),
    ),
    attack(
        &["write=shop/children"],
        "INSERT INTO children VALUES (7, 1)",
        "denied read shop/parents",
        With(&["read=shop/parents"]),
    ),
    attack(
        &["write=shop/parents"],
        "DELETE FROM parents",
        "denied",
        With(&["read=shop/parents", "read=shop/children", "write=shop/children"]),
    ),
    // The schema, transactions and other files.
    attack(
        ALL,
        "ATTACH 'other.db' AS other",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "DETACH main",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "VACUUM",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "VACUUM INTO '/tmp/stolen.db'",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "PRAGMA writable_schema = on",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "PRAGMA journal_mode = off",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "UPDATE sqlite_master SET sql = ''",
        "",
        Statement("UPDATE orders SET item = ''"),
    ),
    attack(
        ALL,
        "DROP TABLE orders",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "ALTER TABLE orders RENAME TO mine",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "ALTER TABLE orders ADD COLUMN x",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE TABLE mine (id)",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE TEMP TABLE mine (id)",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE TABLE mine AS SELECT * FROM orders",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE VIEW mine AS SELECT * FROM orders",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE TEMP VIEW orders AS SELECT * FROM customers",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE TRIGGER mine AFTER INSERT ON orders BEGIN DELETE FROM customers; END",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE INDEX mine ON orders (item)",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "CREATE VIRTUAL TABLE mine USING fts5 (x)",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "REINDEX orders",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "ANALYZE orders",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "BEGIN IMMEDIATE",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "SAVEPOINT mine",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "INSERT INTO search VALUES ('x')",
        "",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "DELETE FROM orders; DELETE FROM customers",
        "denied write shop/*",
        Statement("DELETE FROM orders"),
    ),
    attack(
        ALL,
        "INSERT INTO stamped (id) VALUES (1)",
        "",
        Statement("INSERT INTO stamped VALUES (1, 'today')"),
    ),
];

/// Runs these statements in one program with these grants, and returns their results.
fn results(grants: &[&str], method: &str, texts: &[&str]) -> Vec<String> {
    let source = format!(
        "for (const text of {texts:?}) console.log((await attempt(() => sql.{method}('shop', text))).replaceAll('\\n', ' '));"
    );
    let ran = Scene::new(grants, &source).run();
    ran.lines().into_iter().map(str::to_owned).collect()
}

/// Checks the attacks and their controls, in one program for each set of grants.
fn check(method: &str, attacks: &[Attack]) {
    let mut programs: BTreeMap<Vec<&str>, Vec<(&str, Option<&str>)>> = BTreeMap::new();
    for attack in attacks {
        let mut add = |grants: Vec<&'static str>, text, refused| {
            programs.entry(grants).or_default().push((text, refused));
        };
        add(attack.grants.to_vec(), attack.text, Some(attack.refused));
        match attack.control {
            With(more) => add([attack.grants, more].concat(), attack.text, None),
            Statement(other) => add(attack.grants.to_vec(), other, None),
        }
    }
    let mut wrong = Vec::new();
    for (grants, statements) in programs {
        let texts: Vec<&str> = statements.iter().map(|(text, _)| *text).collect();
        let results = results(&grants, method, &texts);
        assert_eq!(results.len(), statements.len(), "{results:#?}");
        for ((text, refused), result) in statements.iter().zip(results) {
            let is_right = match refused {
                Some(refused) => result.starts_with(refused) && !result.starts_with("done"),
                None => result.starts_with("done"),
            };
            if !is_right {
                wrong.push(format!(
                    "{text} with {grants:?}, expected {refused:?}\n  {result}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn queries_read_only_tables_with_a_right() {
    check("query", QUERIES);
}

#[test]
fn changes_need_a_right_for_every_table_that_they_reach() {
    check("execute", CHANGES);
}

/// A statement with tables that exist but are not granted has the error of tables that do not exist.
#[test]
fn errors_do_not_reveal_what_exists() {
    let pairs = [
        ("query", "SELECT * FROM customers", "SELECT * FROM nothing00"),
        ("query", "SELECT x FROM customers", "SELECT x FROM nothing00"),
        (
            "query",
            "SELECT email FROM orders, customers",
            "SELECT email FROM orders, nothing00",
        ),
        (
            "query",
            "SELECT customers.email FROM orders",
            "SELECT nothing00.email FROM orders",
        ),
        (
            "query",
            "SELECT rowid FROM search00",
            "SELECT rowid FROM nothing0",
        ),
        ("query", "SELECT * FROM names", "SELECT * FROM nope0"),
        ("execute", "DELETE FROM customers", "DELETE FROM nothing00"),
        (
            "execute",
            "INSERT INTO customers (x) VALUES (1)",
            "INSERT INTO nothing00 (x) VALUES (1)",
        ),
        ("execute", "DROP TABLE customers", "DROP TABLE nothing00"),
        ("execute", "DROP VIEW names", "DROP VIEW nope0"),
        (
            "execute",
            "CREATE TABLE customers (id)",
            "CREATE TABLE nothing00 (id)",
        ),
        (
            "execute",
            "CREATE INDEX i ON customers (x)",
            "CREATE INDEX i ON nothing00 (x)",
        ),
        (
            "execute",
            "ALTER TABLE customers DROP COLUMN x",
            "ALTER TABLE nothing00 DROP COLUMN x",
        ),
        ("execute", "REINDEX customers", "REINDEX nothing00"),
        ("execute", "ANALYZE customers", "ANALYZE nothing00"),
        ("execute", "DROP TRIGGER writes_log", "DROP TRIGGER nothing000"),
        (
            "query",
            "SELECT * FROM \"not a name\"",
            "SELECT * FROM \"no a nothing\"",
        ),
    ];
    let names = [
        "customers",
        "nothing000",
        "nothing00",
        "names",
        "nope0",
        "search00",
        "nothing0",
        "writes_log",
        "not a name",
        "no a nothing",
    ];
    let normal = |text: &String| {
        names
            .iter()
            .fold(text.clone(), |text, name| text.replace(name, "…"))
    };
    for method in ["query", "execute"] {
        let pairs: Vec<_> = pairs.iter().filter(|(of, ..)| *of == method).collect();
        let hidden: Vec<&str> = pairs.iter().map(|(_, hidden, _)| *hidden).collect();
        let missing: Vec<&str> = pairs.iter().map(|(_, _, missing)| *missing).collect();
        let (hidden, missing) = (
            results(WRITES, method, &hidden),
            results(WRITES, method, &missing),
        );
        for (hidden, missing) in hidden.iter().zip(&missing) {
            assert!(!hidden.starts_with("done"), "{hidden}");
            assert_eq!(normal(hidden), normal(missing));
        }
        assert_eq!((hidden.len(), missing.len()), (pairs.len(), pairs.len()));
    }
    // The control: with a right, errors say what is wrong.
    let error = results(&["read=shop/*"], "query", &["SELECT x FROM customers"]).join("");
    assert!(error.contains("no such column: x"), "{error}");
}
