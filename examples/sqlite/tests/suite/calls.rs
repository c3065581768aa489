//! Values, limits, delegation and records.

use std::time::Duration;

use secure_runtime::{Exit, Limits};

use crate::scene::{Scene, manifest};

#[test]
fn values_of_every_type_are_bound_and_returned() {
    let source = "
        const types = 'SELECT ?1 AS value, typeof(?1) AS type';
        for (const value of [null, true, 0, -1, 2 ** 53 - 1, 2 ** 53, 1.5, Infinity, '', \"'; DROP TABLE orders; --\", 'é', new Uint8Array([0, 255])])
          console.log(await attempt(async () => Object.values((await sql.query('shop', types, [value]))[0])));
        for (const value of [NaN, {}, [], 1n, () => 1, Symbol(), '\\ud800'])
          console.log((await attempt(() => sql.query('shop', types, [value]))).split(' ')[0]);
        console.log(await attempt(() => sql.query('shop', 'SELECT 9007199254740992 AS x')));
        console.log(await attempt(() => sql.query('shop', 'SELECT CAST(9007199254740993 AS TEXT) AS x')));
        console.log(await attempt(() => sql.query('shop', 'SELECT ? AS a', [])));
        console.log(await attempt(() => sql.query('shop', 'SELECT 1 AS a, 2 AS a')));
        console.log(await attempt(() => sql.query('shop', 'SELECT 1 AS __proto__')));
        console.log(await attempt(() => sql.query('shop', 'SELECT 1 AS a\\0; DROP TABLE orders')));
        console.log(await attempt(() => sql.query('shop', 'SELECT item FROM orders WHERE id = ?', ['1 OR 1'])));
        console.log(await attempt(() => sql.query('shop', 'SELECT item FROM orders WHERE id = ?', [1])));
        console.log(await attempt(() => sql.execute('shop', 'INSERT INTO numbered (value) VALUES (1), (2)')));
        console.log(await attempt(() => sql.query('nowhere', 'SELECT 1 AS a')));
        console.log(await attempt(() => sql.query('../databases/shop', 'SELECT 1 AS a')));
        console.log(await attempt(() => sql.query('file:shop', 'SELECT 1 AS a')));";
    let grants = ["read=shop/*", "write=shop/*", "read=nowhere/*"];
    let ran = Scene::new(&grants, source).run();
    let lines = ran.lines();
    let start = |line: &&str| line.split(':').next().unwrap_or_default().to_owned();
    assert_eq!(
        lines.iter().take(12).copied().collect::<Vec<_>>(),
        [
            r#"done [null,"null"]"#,
            r#"done [1,"integer"]"#,
            r#"done [0,"integer"]"#,
            r#"done [-1,"integer"]"#,
            r#"done [9007199254740991,"integer"]"#,
            r#"done [9007199254740992,"real"]"#,
            r#"done [1.5,"real"]"#,
            r#"done [null,"real"]"#,
            r#"done ["","text"]"#,
            r#"done ["'; DROP TABLE orders; --","text"]"#,
            r#"done ["é","text"]"#,
            r#"done [["bytes",0,255],"blob"]"#,
        ]
    );
    assert_eq!(
        lines.iter().skip(12).take(7).copied().collect::<Vec<_>>(),
        ["TypeError"; 7]
    );
    assert_eq!(
        lines.iter().skip(19).map(start).collect::<Vec<_>>(),
        [
            "RangeError - - column \"x\"",
            "done [{\"x\"",
            "TypeError - - the statement has 1 parameters, and 0 were given",
            "TypeError - - two columns have the name \"a\"",
            "done [{\"__proto__\"",
            "RangeError - - a statement has at most 65536 bytes, and no NUL",
            "done []",
            "done [{\"item\"",
            "done 2",
            "ENOENT - - there is no database \"nowhere\"",
            "TypeError - - `../databases/shop/*` is not valid for `sql.read`",
            "TypeError - - `file",
        ]
    );
}

#[test]
fn records_name_the_tables() {
    let source = "
        await sql.query('Shop', 'SELECT item FROM Orders');
        await sql.execute('shop', 'DELETE FROM orders WHERE id = 1');
        console.log(await attempt(() => sql.query('shop', 'SELECT * FROM orders, customers')));
        console.log(await attempt(() => sql.query('shop', 'ATTACH 1 AS x')));
        console.log(await attempt(() => sql.query('other', 'SELECT * FROM orders')));";
    let ran = Scene::new(&["read=shop/orders", "write=shop/orders"], source).run();
    assert_eq!(ran.lines().len(), 3);
    assert_eq!(
        ran.decisions,
        [
            "allowed read shop/*",
            "allowed read shop/orders",
            "allowed write shop/*",
            "allowed read shop/orders",
            "allowed write shop/orders",
            "allowed read shop/*",
            "denied read shop/customers",
            "allowed read shop/*",
            "denied read shop/*",
            "denied read other/*",
        ]
    );
}

#[test]
fn capabilities_are_narrowed_and_revoked() {
    let source = "
        const both = 'SELECT item FROM orders, customers LIMIT 1';
        const narrow = sql.attenuate({ read: 'shop/orders' });
        const first = async (call) => (await attempt(call)).split(' ').slice(0, 3).join(' ');
        console.log(await first(() => sql.query('shop', both)));
        console.log(await first(() => narrow.query('shop', both)));
        console.log(await first(() => narrow.execute('shop', 'DELETE FROM orders')));
        const { capability, revoke } = narrow.revocable();
        console.log(await first(() => capability.query('shop', 'SELECT item FROM orders LIMIT 1')));
        // The second call waits for its turn, so it is decided after the revocation.
        const [, waiting] = [1, 2].map(() => first(() => capability.query('shop', 'SELECT item FROM orders LIMIT 1')));
        revoke();
        console.log(await waiting);
        console.log(await first(() => capability.query('shop', 'SELECT 1 AS a')));";
    let ran = Scene::new(&["read=shop/*", "write=shop/*"], source).run();
    let done = r#"done [{"item":"lamp"}]"#;
    assert_eq!(
        ran.lines(),
        [
            done,
            "denied read shop/customers",
            "denied write shop/*",
            done,
            "revoked read shop/orders",
            "revoked read shop/*",
        ]
    );
}

#[test]
fn a_capability_crosses_to_an_isolated_package() {
    let ran = Scene::empty()
        .file("program/secure.toml", &manifest(&["read=shop/*"], "[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n"))
        .file(
            "program/p/index.js",
            "import { sql as own } from 'cap:self';
            export const given = (sql, text) => sql.query('shop', text);
            export const mine = (text) => own.query('shop', text);",
        )
        .file(
            "program/main.js",
            "import { sql } from 'cap:self';
            import { given, mine } from 'p';
            const narrow = sql.attenuate({ read: 'shop/orders' });
            const attempt = async (call) => { try { return JSON.stringify(await call()); } catch (error) { return `${error.code} ${error.resource}`; } };
            console.log(await attempt(() => given(narrow, 'SELECT item FROM orders WHERE id = 1')));
            console.log(await attempt(() => given(narrow, 'SELECT email FROM customers')));
            console.log(await attempt(() => mine('SELECT item FROM orders')));",
        )
        .run();
    assert_eq!(
        ran.lines(),
        [r#"[{"item":"lamp"}]"#, "denied shop/customers", "denied shop/*"]
    );
}

/// The numbers 1, 2, … without an end.
const ENDLESS: &str = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t)";

#[test]
fn results_and_memory_are_limited() {
    let source = format!(
        "console.log(await attempt(() => sql.query('shop', '{ENDLESS} SELECT n FROM t')));
        console.log(await attempt(() => sql.query('shop', '{ENDLESS} SELECT count(DISTINCT printf(\"%01000d\", n)) AS x FROM t')));
        console.log(await attempt(() => sql.query('shop', 'SELECT printf(\"%.*c\", 1000000000, 1) AS x')));
        console.log(await attempt(() => sql.query('shop', 'SELECT ' + '1+'.repeat(200) + '1 AS x')));
        console.log((await sql.query('shop', '{ENDLESS} SELECT n FROM t LIMIT 1000')).length);"
    );
    let ran = Scene::alone(&["read=shop/*"], &source.replace('"', "\\'")).run();
    let lines = ran.lines();
    let reasons = [
        "the result takes more than",
        "out of memory",
        "too big",
        "",
        "1000",
    ];
    for (line, reason) in lines.iter().zip(reasons) {
        assert!(line.contains(reason) && !line.starts_with("done"), "{lines:#?}");
    }
    assert_eq!(lines.len(), 5);
}

#[test]
fn a_statement_ends_when_it_is_aborted_or_its_isolate_ends() {
    let endless = format!("{ENDLESS} SELECT count(*) AS n FROM t");
    let source = format!(
        "const controller = new AbortController();
        const running = attempt(() => sql.query('shop', '{endless}', [], {{ signal: controller.signal }}));
        controller.abort();
        console.log(await running);
        console.log(await attempt(() => sql.query('shop', 'SELECT 1 AS a')));
        await sql.query('shop', '{endless}');"
    );
    let run = |seconds| {
        let limits = Limits {
            wall: Some(Duration::from_secs(seconds)),
            ..Limits::default()
        };
        let scene = Scene::new(&["read=shop/*", "write=shop/*"], &source).limits(limits);
        // The run returns although the statement had no end: its thread has stopped.
        let ran = scene.run();
        assert!(matches!(ran.exit, Exit::Limit(_)), "{ran:?}");
        ran
    };
    // A busy machine may reach the limit before the first two statements have ended.
    let mut ran = run(2);
    for seconds in [20, 200] {
        if ran.out.lines().count() < 2 {
            ran = run(seconds);
        }
    }
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(
        matches!(lines[..], [aborted, r#"done [{"a":1}]"#] if aborted.contains("AbortError") || aborted.contains("abort")),
        "{lines:?}"
    );
}

#[test]
fn a_database_is_a_file_that_the_host_named() {
    let scene = Scene::new(&["read=*/*"; 0], "");
    let folder = scene.databases();
    std::fs::write(folder.join("text.txt"), "").unwrap();
    std::fs::write(folder.join("not-a-name.db"), "").unwrap();
    std::os::unix::fs::symlink(folder.join("shop.db"), folder.join("link.db")).unwrap();
    let scene = scene
        .file("program/secure.toml", &manifest(&["read=link/*", "read=shop/*"], ""))
        .file(
            "program/main.js",
            "import { sql } from 'cap:self';
            for (const name of ['shop', 'link']) try { console.log((await sql.query(name, 'SELECT item FROM orders')).length); }
            catch (error) { console.log(error.message); }",
        );
    let ran = scene.run();
    assert_eq!(ran.lines(), ["2", "the database \"link\": it cannot be opened"]);
}

/// WALL-10: the command confines its process to the folder of the databases, because of `Sql::sandbox_rules`.
#[test]
fn the_command_runs_in_the_os_sandbox() {
    let scene = Scene::new(
        &["read=shop/orders", "write=shop/orders"],
        "console.log(await attempt(() => sql.execute('shop', \"INSERT INTO orders VALUES (3, 1, 'desk')\")));
         console.log(await attempt(() => sql.query('shop', 'SELECT item FROM orders WHERE id = 3')));",
    );
    // The sandbox is on unless the kernel has none: `--sandbox-log` would name a call that it refuses.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_secure-runtime-sqlite"))
        .args(["run", "--sandbox-log"])
        .arg(scene.program())
        .env("SQL_DATABASES", scene.databases())
        .output()
        .unwrap();
    let (out, told) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(out, "done 1\ndone [{\"item\":\"desk\"}]\n", "{told}");
    assert!(!told.contains("refused"), "{told}");
}
