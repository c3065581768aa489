//! Forged errors. Only Rust decides what an error represents. An error that imitates a denial, a limit or an error of
//! another module is an ordinary error.

use secure_runtime::{Exit, Limits, Quotas};

use crate::support::{Ran, Scene};

/// Returns the kind of the program's end, and the message of the uncaught error.
fn end(ran: &Ran) -> (&'static str, String) {
    match &ran.exit {
        Ok(Exit::Completed) => ("completed", String::new()),
        Ok(Exit::Uncaught(error)) => ("uncaught", error.message.clone()),
        Ok(Exit::Denied(_, error)) => ("denied", error.message.clone()),
        Ok(Exit::Limit(hit)) => ("limit", hit.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Code that provokes a denial and keeps its error object.
const CAUGHT: &str = "import { fs, CapabilityError } from 'cap:self';
    const caught = await fs.readTextFile('/etc/passwd').catch((error) => error);
    const forged = (Kind) => Object.assign(new Kind(caught.message), { name: 'CapabilityError', code: 'denied', ...caught });\n";

/// RUN-82.
#[test]
fn a101_only_the_object_of_a_denial_is_the_denial() {
    let of = |rest: &str| Scene::of_main(&[], &format!("{CAUGHT}{rest}")).run(&[]);
    for thrown in [
        "throw forged(Error);",
        "throw forged(CapabilityError);",
        "throw new CapabilityError(caught.message);",
        "throw Object.create(caught);",
        "throw Object.setPrototypeOf(forged(Error), CapabilityError.prototype);",
        "throw structuredClone(caught);",
        "throw Object.defineProperties(new Error('x'), Object.getOwnPropertyDescriptors(caught));",
        "throw new Proxy(caught, {});",
        "throw 'CapabilityError: ' + caught.message;",
        "throw { toString: () => 'mark:1 framed' };",
        "throw Object.assign(new Error('mark:1'), { name: 'mark:1' });",
        "Promise.reject(forged(CapabilityError)); await new Promise((done) => setTimeout(done, 20));",
        "await (async () => { throw forged(TypeError); })();",
        "export default () => { throw forged(CapabilityError); };",
    ] {
        let ran = of(thrown);
        assert_eq!(end(&ran).0, "uncaught", "{thrown}: {ran:#?}");
    }
    for thrown in [
        "throw caught;",
        "throw Object.freeze(caught);",
        "for (let n = 0; n < 200; n++) await fs.readTextFile('/etc/' + n).catch(() => {}); throw caught;",
        "caught.extra = 1; throw caught;",
        "Promise.reject(caught); await new Promise((done) => setTimeout(done, 20));",
        "await (async () => { try { throw caught; } catch (error) { throw error; } })();",
        "export default () => { throw caught; };",
        "await fs.readTextFile('/etc/shadow');",
        "await Promise.all([fs.stat('/etc/shadow'), fs.readDir('/etc')]);",
        "Date.now();",
        "Math.random();",
        "for (let n = 0; n < 20000; n++) try { Date.now(); } catch {} Date.now();",
    ] {
        let ran = of(thrown);
        let (how, said) = end(&ran);
        assert_eq!(how, "denied", "{thrown}: {ran:#?}");
        assert!(said.starts_with("CapabilityError: "), "{thrown}: {said}");
    }
}

/// RUN-82: no number of later denials makes a program's earlier denial forgotten. Its report stays the same, too.
#[test]
fn a101_a_denial_is_the_denial_after_ten_thousand_others() {
    const IMPORTS: &str = "import { clock, env, fs, kv, net, random, seal } from 'cap:self'; let caught;\n";
    let report = |caught: &str, others: &str| {
        let source = format!(
            "{IMPORTS}try {{ {caught} }} catch (error) {{ caught = error; }}\n{others}\nthrow caught;"
        );
        let scene = Scene::of_main(&["fs.read=./data/**"], &source);
        match scene.run(&[]).exit {
            Ok(Exit::Denied(report, _)) => format!(
                "{} {} {:?} {:?} {:?}",
                report.module, report.package, report.operation, report.denial, report.block_names
            )
            .replace(scene.base().to_str().unwrap(), "")
            // The time of expiry differs between programs.
            .split("Expired { at: ")
            .map(|part| part.trim_start_matches(|character: char| character.is_ascii_digit()))
            .collect::<String>(),
            other => panic!("{caught} {others}: {other:?}"),
        }
    };
    // More denials than are stored completely.
    let many = "for (let n = 0; n < 5_000; n++) try { env.get('N' + n); } catch {}";
    for others in [
        "for (let n = 0; n < 10_000; n++) await fs.readTextFile('/etc/' + n).catch(() => {});",
        "await Promise.allSettled(Array.from({ length: 10_000 }, (_, n) => fs.readTextFile('/etc/' + n)));",
        "const kept = []; for (let n = 0; n < 10_000; n++) try { env.get('N' + n); } catch (error) { kept.push(error); }",
        // The last of many concurrent denials, and the first of them.
        "const all = await Promise.allSettled(Array.from({ length: 10_000 }, () => fs.readTextFile('/etc/passwd'))); caught = all[9999].reason;",
        "const more = Array.from({ length: 10_000 }, (_, n) => fs.readTextFile(n ? '/etc/' + n : '/etc/passwd')); \
         caught = (await Promise.allSettled(more))[0].reason;",
    ] {
        let caught = "await fs.readTextFile('/etc/passwd');";
        assert_eq!(report(caught, others), report(caught, ""), "{others}");
    }
    for caught in [
        "await fs.writeTextFile('é \\n *?', 'x');",
        "await fs.attenuate({ read: ['./data/a/**'] }).readTextFile('data/b');",
        "const { capability, revoke } = fs.revocable(); revoke(); await capability.readTextFile('data/b');",
        "await fs.attenuate({ expires: '0s' }).readTextFile('data/b');",
        "await net.fetch('https://example.com/a?b=c');",
        "await kv.get('a/b');",
        "clock.now();",
        "random.bytes(1);",
        "const { capability } = fs.revocable(); seal(capability, { holder: \
         'blake3:0000000000000000000000000000000000000000000000000000000000000000' });",
    ] {
        assert_eq!(report(caught, many), report(caught, ""), "{caught}");
    }
}

/// RUN-82.
#[test]
fn a102_only_the_object_of_a_limit_is_the_limit() {
    let run = |source: &str| {
        let quotas = Quotas {
            operations: Some(3),
            ..Quotas::default()
        };
        let limits = Limits {
            heap: 32 << 20,
            quotas,
            ..Limits::default()
        };
        Scene::of_main(&["clock=1s"], source).limits(limits).run(&[])
    };
    let exceeded = "import { clock } from 'cap:self'; let caught; try { for (;;) clock.now(); } catch (error) { caught = error; }\n";
    for thrown in [
        "throw new Error('the program hit its limit of 3 operations a second');",
        "throw Object.assign(new Error('the program hit its limit of 3 operations a second'), { name: 'IsolateError' });",
        "throw new Error('x InternalError: out of memory');",
        "throw Object.assign(new Error('out of memory'), { name: 'InternalError' });",
        "class InternalError extends Error {} throw new InternalError('out of memory');",
        "throw 'InternalError: out of memory';",
        "Promise.reject(new RangeError('InternalError: out of memory')); await new Promise((done) => setTimeout(done, 20));",
    ] {
        let ran = run(thrown);
        assert_eq!(end(&ran).0, "uncaught", "{thrown}: {ran:#?}");
    }
    // The program may throw anything afterwards. A program that exceeds its own quota is terminated.
    let ran = run(&format!("{exceeded}throw caught;"));
    assert_eq!(
        end(&ran),
        (
            "limit",
            "the program hit its limit of 3 operations a second".to_owned()
        )
    );
    let ran = run("const kept = []; for (;;) kept.push(new Array(1000).fill({}));");
    assert_eq!(
        end(&ran),
        ("limit", "the program hit its heap limit of 32.0 MiB".to_owned())
    );
}

/// RUN-82, RUN-64.
#[test]
fn a102_a_denial_of_another_isolate_is_still_a_denial() {
    let run = |thrown: &str| {
        let packages = "[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\ngrants = {}\n";
        let scene = Scene::new()
            .file("secure.toml", crate::support::manifest(&[], packages))
            .file("main.js", "import { run } from 'p'; await run();")
            .file(
                "p/index.js",
                format!(
                    "import {{ fs }} from 'cap:self'; export const run = async () => {{
                     const caught = await fs.readTextFile('/etc/passwd').catch((error) => error); {thrown} }};"
                ),
            );
        end(&scene.run(&[])).0
    };
    assert_eq!(run("throw caught;"), "denied");
    assert_eq!(
        run("throw Object.assign(new Error(caught.message), { ...caught, name: 'CapabilityError' });"),
        "uncaught"
    );
}

/// RUN-83: a stack trace names no module that is not a caller.
#[test]
fn a103_frames_are_those_of_the_engine() {
    let key = "Symbol.for('v82jsc_private:deno_core::call_site_evals')";
    let site = "{ getFileName: () => 'app:/forged.js', getLineNumber: () => 7, getColumnNumber: () => 7, getFunctionName: () => 'forged', \
                getMethodName: () => null, getTypeName: () => null, getEvalOrigin: () => null, getPromiseIndex: () => null, \
                isToplevel: () => false, isEval: () => false, isNative: () => false, isConstructor: () => false, isAsync: () => false, \
                isPromiseAll: () => false, getThis: () => undefined, getFunction: () => undefined, toString: () => 'forged' }";
    for forge in [
        format!("Object.defineProperty(error, {key}, {{ value: [{site}] }});"),
        format!("Object.defineProperty(error, {key}, {{ value: [{site}], configurable: true, writable: true }});"),
        format!("error[{key}] = [{site}]; void error.stack; error[{key}] = [{site}];"),
        format!("void error.stack; error[{key}] = [{site}];"),
        format!("void error.stack; for (const key of Object.getOwnPropertySymbols(error)) error[key] = [{site}];"),
        format!("void error.stack; for (const key of Object.getOwnPropertySymbols(error)) error[key]?.push?.({site});"),
        format!("void error.stack; for (const key of Object.getOwnPropertySymbols(error)) Object.assign(error[key]?.[0] ?? {{}}, {site});"),
        format!("Object.defineProperty(error, 'message', {{ get() {{ error[{key}] = [{site}]; return 'x'; }} }});"),
        format!("Object.defineProperty(error, 'stack', {{ get() {{ error[{key}] = [{site}]; return 'x'; }} }});"),
        format!("Object.defineProperty(error, {key}, {{ get: () => [{site}] }});"),
        format!("error[{key}] = [{site}]; Object.freeze(error);"),
        "error.__v82_wasm_stack_frames = [['app:/forged.js', 'forged', 1, 1, 1]];".to_owned(),
        "Object.assign(error, { fileName: 'app:/forged.js', lineNumber: 7, columnNumber: 7 });".to_owned(),
        "error.stack = 'Error: x\\n    at forged (app:/forged.js:7:7)';".to_owned(),
        "error = Object.assign(Object.create(Error.prototype), { stack: 'Error\\n    at app:/forged.js:7:7' });".to_owned(),
        "error = { '\\n    at forged (app:/forged.js:7:7)'() { return new Error('x'); } }['\\n    at forged (app:/forged.js:7:7)']();".to_owned(),
    ] {
        for end in ["throw error;", "Promise.reject(error); await new Promise((done) => setTimeout(done, 20));"] {
            let ran = Scene::of_main(&[], &format!("let error = new Error('x'); {forge} {end}")).run(&[]);
            let Ok(Exit::Uncaught(error)) = &ran.exit else { panic!("{forge}: {ran:#?}") };
            let frames: Vec<&str> = error.stack.lines().filter(|line| line.contains("forged.js")).collect();
            let real = |line: &&str| line.ends_with("(app:/main.js:1:0)") || line.contains("app:/main.js:");
            assert!(frames.iter().all(real), "{forge}: {ran:#?}");
        }
    }
    for comment in [
        "//# sourceURL=app:/forged.js",
        "//# sourceMappingURL=data:application/json,{\"version\":3,\"sources\":[\"app:/forged.js\"],\"names\":[],\"mappings\":\"AAAA\"}",
    ] {
        for source in [
            format!("throw new Error('x');\n{comment}"),
            format!("{comment}\nthrow new Error('x'); `\n{comment}\n`;"),
        ] {
            let ran = Scene::of_main(&[], &source).run(&[]);
            let Ok(Exit::Uncaught(error)) = &ran.exit else {
                panic!("{source}: {ran:#?}")
            };
            assert!(
                error.stack.contains("app:/main.js:") && !error.stack.contains("forged.js"),
                "{source}: {ran:#?}"
            );
        }
    }
    for made in ["new TypeError('x')", "new RangeError('x')"] {
        let ran = Scene::of_main(
            &[],
            &format!("const make = () => {made};\nexport default () => {{ throw make(); }};"),
        )
        .run(&[]);
        let Ok(Exit::Uncaught(error)) = &ran.exit else {
            panic!("{made}: {ran:#?}")
        };
        assert!(
            error.stack.starts_with("    at make (app:/main.js:1:"),
            "{made}: {error:?}"
        );
    }
    // The control: a program that reads the stack of its own errors loses no frame.
    for read in [
        "",
        "void error.stack;",
        "console.log(error.stack);",
        "error.cause = error;",
    ] {
        let ran = Scene::of_main(
            &[],
            &format!("const make = () => new Error('x'); const error = make();\n{read}\nthrow error;"),
        )
        .run(&[]);
        let Ok(Exit::Uncaught(error)) = &ran.exit else {
            panic!("{read}: {ran:#?}")
        };
        assert!(
            error.stack.starts_with("    at make (app:/main.js:1:"),
            "{read}: {error:?}"
        );
    }
}
