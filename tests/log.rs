//! The `log` family: records with the names of their modules.

use std::sync::{Arc, Mutex};

use secure_runtime::{LogLevel, LogRecord, OpenOptions, Program, Runtime};

use crate::support::{Scene, manifest};

/// A record as text, and what `console` printed.
type Seen = Arc<Mutex<Vec<String>>>;

fn shown(record: &LogRecord<'_>) -> String {
    let fields = serde_json::Value::from(record.fields.clone());
    let (level, module, package) = (record.level.as_str(), record.module, record.package);
    format!("{level} {module} {package:?} {:?} {fields}", record.message)
}

/// Runs a program whose entry is `main` and whose package is `of_package`. Returns the records.
fn run(grants: &[&str], main: &str, of_package: &str, console_to_log: bool) -> Vec<String> {
    let scene = Scene::new()
        .file("secure.toml", manifest(grants, "[imports]\np = \"./p/\"\n"))
        .file("main.js", main)
        .file(
            "p/package.json",
            r#"{ "name": "p", "type": "module", "main": "index.js" }"#,
        )
        .file("p/index.js", of_package);
    let seen = Seen::default();
    let (of_log, of_console) = (seen.clone(), seen.clone());
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    reactor.block_on(async {
        let program = Program::open(scene.base(), &OpenOptions::default())
            .await
            .unwrap();
        let mut builder = Runtime::builder()
            .base(program.base())
            .shared_store(program.store())
            .console(move |line| {
                of_console
                    .lock()
                    .unwrap()
                    .push(format!("printed {:?}", line.text))
            });
        if console_to_log {
            builder = builder.console_to_log();
        }
        // The order of these calls has no effect.
        let runtime = builder
            .log(move |record| of_log.lock().unwrap().push(shown(record)))
            .build()
            .unwrap();
        runtime.run(program.graph(), &[]).await.unwrap();
    });
    std::mem::take(&mut *seen.lock().unwrap())
}

/// RUN-155.
#[test]
fn records_have_the_names_of_their_modules_and_data() {
    let records = run(
        &["log=true"],
        "import { log } from 'cap:self';
         import { late } from 'p';
         log.debug('begin');
         log.info('user\\nforged', { id: 7, big: 2 ** 60, half: 0.5, none: null, nan: NaN, list: [1, 'a', [true]], module: 'app:/other.js' });
         log.warn('careful', {});
         log.error('failed', { deep: { er: -0 } });
         late(log);",
        // A package without the right writes with a capability of the program, which has its own name.
        "import { log } from 'cap:self';
         export const late = (given) => {
           given.info('given');
           try { log.info('own'); } catch (error) { given.warn(`${error.name} ${error.code}`); }
         };",
        false,
    );
    assert_eq!(
        records,
        [
            "debug app:/main.js \"\" \"begin\" {}",
            "info app:/main.js \"\" \"user\\nforged\" {\"id\":7,\"big\":1.152921504606847e+18,\"half\":0.5,\"none\":null,\
             \"nan\":\"NaN\",\"list\":[1,\"a\",[true]],\"module\":\"app:/other.js\"}",
            "warn app:/main.js \"\" \"careful\" {}",
            "error app:/main.js \"\" \"failed\" {\"deep\":{\"er\":0}}",
            "info app:/main.js \"\" \"given\" {}",
            "warn app:/main.js \"\" \"CapabilityError denied\" {}",
        ]
    );
}

/// RUN-155: other values, and records that are too large.
#[test]
fn other_values_are_refused() {
    let records = run(
        &["log=true"],
        "import { log } from 'cap:self';
         const large = 'x'.repeat(65_537);
         for (const call of [
           () => log.info(7), () => log.info('a', 7), () => log.info('a', [1]), () => log.info('a', { f() {} }), () => log.info('\\ud800'),
           () => log.info('a', { bytes: new Uint8Array(1) }), () => log.info(large), () => log.info('a', { large }), () => log.info('a', new Map()),
           () => log.info(large.slice(1)),
         ]) {
           try { call(); } catch (error) { log.error(error.name); }
         }",
        "",
        false,
    );
    let (largest, refused) = records.split_last().unwrap();
    let names: Vec<&str> = refused
        .iter()
        .map(|line| line.split('"').nth(3).unwrap())
        .collect();
    let type_error = "TypeError";
    assert_eq!(
        names,
        [
            type_error,
            type_error,
            type_error,
            type_error,
            type_error,
            type_error,
            "RangeError",
            "RangeError",
            type_error
        ]
    );
    assert!(largest.starts_with("info") && largest.len() > 65_536);
}

/// RUN-156.
#[test]
fn lines_of_the_console_become_records() {
    let main = "import 'p'; console.log('one', 1); console.error('two');";
    let of_package = "console.warn('three');";
    assert_eq!(
        run(&[], main, of_package, true),
        [
            "error p/index.js \"p\" \"[p/index.js] three\" {}",
            "info app:/main.js \"\" \"one 1\" {}",
            "error app:/main.js \"\" \"two\" {}"
        ]
    );
    // Without it, they are printed.
    assert_eq!(run(&[], main, of_package, false).len(), 3);
    assert!(LogLevel::Debug < LogLevel::Error);
}
