//! Computed imports of locked modules with `module` grants: RUN-46.

use secure_runtime::Exit;
use secure_runtime_loaders::ContentHash;

use crate::support::{Ran, Scene, grant_table};

const PLUGIN: &str = "export default 'plugin a';\n";

/// Creates a program with these grants. Its entry has a function `load`, which imports the module that its argument
/// names. Only another module imports `plugins/a.js`, `plugins/b.js` and `secret.js`, with literals. A package `p` has
/// the grants `of_package`.
fn scene(grants: &[&str], of_package: &[&str], main: &str) -> Scene {
    let package = match of_package {
        [] => String::new(),
        grants => format!("[packages.p.grants]\n{}", grant_table(grants)),
    };
    let manifest = format!(
        "[package]\nname = \"test\"\nentry = \"main.js\"\n[imports]\np = \"./vendor/p/\"\n{package}\n[grants]\n{}",
        grant_table(grants)
    );
    let tell = "const tell = async (name, load) => {\n\
        try { console.log(`${name}: ${(await load(name)).default}`); }\n\
        catch (error) {\n\
          const isDenial = error.message.includes('is not allowed in');\n\
          console.log(`${name}: ${error.name}${isDenial ? ', denied' : ''}`);\n\
        }\n\
      };\n";
    Scene::new()
        .file("secure.toml", manifest)
        .file(
            "main.js",
            format!("import './registry.js';\nimport {{ load as inPackage }} from 'p';\nconst load = (name) => import(name);\n{tell}{main}"),
        )
        .file(
            "registry.js",
            "export default [() => import('./plugins/a.js'), () => import('./plugins/b.js'), () => import('./secret.js')];",
        )
        .file("plugins/a.js", PLUGIN)
        .file("plugins/b.js", "import { fs } from 'cap:self';\nexport default await fs.readTextFile('data/b.txt');\n")
        .file("secret.js", "export default 'secret';\n")
        .file("data/b.txt", "what b may read")
        .file("vendor/p/package.json", "{\"name\":\"p\",\"type\":\"module\",\"exports\":\"./index.js\"}")
        .file("vendor/p/index.js", "export const load = (name) => import(name);\nexport { other } from './other.js';\n")
        .file("vendor/p/other.js", "export const other = 1;\nexport default 'other of p';\n")
}

fn hash() -> String {
    ContentHash::of(PLUGIN.as_bytes()).to_string()
}

fn imports(ran: &Ran) -> Vec<String> {
    let decisions = ran.decisions().into_iter();
    decisions
        .filter(|decision| decision.contains(" module import "))
        .collect()
}

/// RUN-46: a name below a granted prefix can be imported, and each import has one record. Other names are denied,
/// whether they exist or not.
#[test]
fn a_granted_prefix_of_names_can_be_imported() {
    let ran = scene(
        &["module.import=app:/plugins/**"],
        &[],
        "await tell('./plugins/a.js', load);\nawait tell('./secret.js', load);\nawait tell('./none.js', load);\n\
         await tell('app:/plugins/a.js', load);\nawait tell('./plugins/none.js', load);\n",
    )
    .run(&[])
    .completed();
    assert_eq!(
        ran.out,
        "./plugins/a.js: plugin a\n\
         ./secret.js: CapabilityError, denied\n\
         ./none.js: CapabilityError, denied\n\
         app:/plugins/a.js: plugin a\n\
         ./plugins/none.js: TypeError\n"
    );
    let zeros = "0".repeat(64);
    let secret = ContentHash::of(b"export default 'secret';\n");
    assert_eq!(
        imports(&ran),
        [
            format!("allowed module import app:/plugins/a.js#{}", hash()),
            format!("denied module import app:/secret.js#{secret}"),
            format!("denied module import app:/none.js#blake3:{zeros}"),
            format!("allowed module import app:/plugins/a.js#{}", hash()),
            format!("allowed module import app:/plugins/none.js#blake3:{zeros}"),
        ]
    );
}

/// RUN-46: a granted hash allows the import under any name, and no other content.
#[test]
fn a_granted_hash_can_be_imported() {
    let ran = scene(
        &[&format!("module.import={}", hash())],
        &[],
        "await tell('./plugins/a.js', load);\nawait tell('./secret.js', load);\n",
    )
    .run(&[])
    .completed();
    assert_eq!(
        ran.out,
        "./plugins/a.js: plugin a\n./secret.js: CapabilityError, denied\n"
    );
}

/// RUN-46: without a `module` grant, only imports that were locked for the module succeed, and nothing is recorded.
#[test]
fn without_a_grant_only_locked_imports_succeed() {
    let ran = scene(
        &[],
        &[],
        "await tell('./plugins/a.js', load);\nawait tell('./none.js', load);\nawait load('./registry.js');\n",
    )
    .run(&[])
    .completed();
    assert_eq!(ran.out, "./plugins/a.js: TypeError\n./none.js: TypeError\n");
    assert_eq!(imports(&ran), Vec::<String>::new());
}

/// RUN-46: the grant of the importing module decides, and the imported module has its own rights.
#[test]
fn a_package_imports_with_its_own_grant_and_gives_no_rights() {
    let program = ["module.import=app:/plugins/**", "fs.read=./data/**"];
    let main = "await tell('app:/plugins/b.js', inPackage);\nawait tell('./other.js', inPackage);\n\
                await tell('./secret.js', inPackage);\nawait tell('../../secret.js', inPackage);\n";
    let ran = scene(&program, &["module.import=app:/plugins/**"], main)
        .run(&[])
        .completed();
    assert_eq!(
        ran.out,
        "app:/plugins/b.js: what b may read\n\
         ./other.js: other of p\n\
         ./secret.js: CapabilityError, denied\n\
         ../../secret.js: TypeError\n"
    );
    let without = scene(&program, &[], "await tell('app:/plugins/b.js', inPackage);\n")
        .run(&[])
        .completed();
    assert_eq!(without.out, "app:/plugins/b.js: TypeError\n");
}

/// RUN-46: an uncaught denial ends the program like any other denial.
#[test]
fn an_uncaught_denial_is_a_denial() {
    let ran = scene(
        &["module.import=app:/plugins/**"],
        &[],
        "await load('./secret.js');",
    )
    .run(&[]);
    let Ok(Exit::Denied(report, _)) = &ran.exit else {
        panic!("{ran:#?}");
    };
    assert_eq!(report.module, "app:/main.js");
    assert!(
        report.operation.resource().starts_with("app:/secret.js#blake3:"),
        "{report:?}"
    );
}

/// RUN-46: grants do not apply to static imports, which only the lock determines.
#[test]
fn a_static_import_is_never_granted() {
    let scene = scene(&["module.import=app:/**"], &[], "import x from './missing.js';");
    let ran = scene.run(&[]);
    assert!(
        matches!(&ran.exit, Err(said) if said.contains("missing.js")),
        "{ran:#?}"
    );
}

/// A142, RUN-98: two packages that import data of a third one cannot change it for each other or for the third. The
/// modules of one package share it.
#[test]
fn a142_each_importing_package_has_its_own_value_of_data() {
    let manifest = "[package]\nname = \"test\"\nentry = \"main.js\"\n[imports]\n\
        data = \"npm:data@1.0.0\"\none = \"npm:one@1.0.0\"\ntwo = \"npm:two@1.0.0\"\n";
    let imports = "import list from 'data/list.json' with { type: 'json' };\n\
        import bytes from 'data/some.bin' with { type: 'bytes' };\n";
    let package = |name: &str| {
        format!(
            "{{ \"name\": \"{name}\", \"version\": \"1.0.0\", \"type\": \"module\", \"exports\": {{ \".\": \"./index.js\", \"./*\": \"./*\" }} }}"
        )
    };
    let said = "`${JSON.stringify(list)} ${bytes.join()}`";
    let mut scene = Scene::new()
        .file("secure.toml", manifest)
        .file(
            "main.js",
            format!(
                "{imports}import {{ change, own }} from 'one';\nimport {{ look }} from 'two';\nimport {{ kept }} from 'data';\n\
                 change();\nconst late = await import('data/list.json', {{ with: {{ type: 'json' }} }});\n\
                 console.log({said}, look(), kept(), own(), late.default === list);"
            ),
        )
        .file("node_modules/data/list.json", "{ \"allowed\": [1] }")
        .file("node_modules/data/some.bin", [1, 2])
        .file(
            "node_modules/data/index.js",
            format!("{}export const kept = () => {said};", imports.replace("data/", "./")),
        )
        .file(
            "node_modules/one/index.js",
            format!(
                "{imports}export {{ own }} from './other.js';\n\
                 export const change = () => {{ list.allowed.push(2); list.more = 1; bytes[0] = 7; }};"
            ),
        )
        .file("node_modules/one/other.js", format!("{imports}export const own = () => {said};"))
        .file("node_modules/two/index.js", format!("{imports}export const look = () => {said};"));
    for name in ["data", "one", "two"] {
        scene = scene.file(&format!("node_modules/{name}/package.json"), package(name));
    }
    let as_locked = "{\"allowed\":[1]} 1,2";
    let changed = "{\"allowed\":[1,2],\"more\":1} 7,2";
    let ran = scene.run(&[]).completed();
    assert_eq!(
        ran.out,
        format!("{as_locked} {as_locked} {as_locked} {changed} true\n")
    );
}

/// A143, RUN-93, RUN-98: a module with rights of its own cannot change JSON or bytes for another module of the program
/// or of its package. This holds for a declaration, `import()`, an import without an attribute, `require`, and an
/// import that a grant allows.
#[test]
fn a143_data_is_another_value_for_each_authority() {
    let manifest = "[package]\nname = \"test\"\nentry = \"main.js\"\n[imports]\np = \"npm:p@1.0.0\"\nq = \"./q/\"\n[grants]\n\
        module.import = [\"app:/**\", \"q/**\"]\n\
        [modules.\"./plugin.js\"]\ngrants = { module.import = [\"app:/**\", \"q/**\"] }\n\
        [modules.\"./old.cjs\"]\ngrants = {}\n[modules.\"./other.js\"]\ngrants = {}\n";
    let imports = |folder: &str| {
        format!(
            "import cfg from '{folder}cfg.json' with {{ type: 'json' }};\nimport bytes from '{folder}some.bin' with {{ type: 'bytes' }};\n"
        )
    };
    let change = "cfg.path = 'changed'; cfg.list.push(2); bytes[0] = 7;\n";
    let said = "`${JSON.stringify(cfg)} ${bytes.join()}`";
    let bare = "import bare, { list } from './cfg.json';\n";
    let ran = Scene::new()
        .file("secure.toml", manifest)
        .file(
            "main.js",
            format!(
                "import './plugin.js'; import './old.cjs'; import {{ look as other }} from './other.js'; import {{ look as same }} from './same.js';\n\
                 import p from 'p'; import 'q';\n{}\
                 const computed = (await import('q/cfg.' + 'json', {{ with: {{ type: 'json' }} }})).default;\n\
                 const late = await import('./cfg.json', {{ with: {{ type: 'json' }} }});\n\
                 console.log({said}); console.log(other()); console.log(JSON.stringify(computed), late.default === cfg);\n\
                 cfg.path = 'by main'; console.log(same()); console.log(p());",
                imports("./")
            ),
        )
        .file(
            "plugin.js",
            format!(
                "{}{change}const late = await import('./cfg.json', {{ with: {{ type: 'json' }} }});\nlate.default.more = 1;\n\
                 for (const name of ['app:/cfg.', 'q/cfg.']) (await import(name + 'json', {{ with: {{ type: 'json' }} }})).default.path = 'computed';",
                imports("./")
            ),
        )
        .file("old.cjs", "const cfg = require('./cfg.json'); cfg.path = 'required'; cfg.list.push(3);")
        .file("other.js", format!("{}export const look = () => {said};", imports("./")))
        .file("same.js", format!("{}export const look = () => {said};", imports("./")))
        .file("cfg.json", "{ \"path\": \"ok\", \"list\": [] }")
        .file("some.bin", [1, 2])
        .file("q/package.json", "{ \"type\": \"module\", \"exports\": { \".\": \"./index.js\", \"./*\": \"./*\" } }")
        .file("q/index.js", "import './cfg.json' with { type: 'json' };")
        .file("q/cfg.json", "{ \"path\": \"ok\" }")
        .file(
            "node_modules/p/package.json",
            "{ \"name\": \"p\", \"version\": \"1.0.0\", \"type\": \"module\", \"exports\": \"./index.js\" }",
        )
        .file("node_modules/p/index.js", format!("import './other.js';\n{bare}export default () => `${{bare.path}} ${{list.length}}`;"))
        .file("node_modules/p/other.js", format!("{bare}bare.path = 'by the package'; list.push(1);"))
        .file("node_modules/p/cfg.json", "{ \"path\": \"ok\", \"list\": [] }")
        .run(&[])
        .completed();
    assert_eq!(
        ran.out,
        "{\"path\":\"ok\",\"list\":[]} 1,2\n{\"path\":\"ok\",\"list\":[]} 1,2\n{\"path\":\"ok\"} true\n\
         {\"path\":\"by main\",\"list\":[]} 1,2\nby the package 1\n"
    );
}

/// RUN-98: a module with rights of its own, and one of another package, import JSON without an attribute too.
#[test]
fn a143_json_without_an_attribute_is_of_one_authority() {
    let manifest = "[package]\nname = \"test\"\nentry = \"main.js\"\n[imports]\none = \"npm:one@1.0.0\"\n";
    let package = |name: &str| {
        format!(
            "{{ \"name\": \"{name}\", \"version\": \"1.0.0\", \"type\": \"module\", \"exports\": {{ \".\": \"./index.js\", \"./*\": \"./*\" }}, \"dependencies\": {{ \"data\": \"1.0.0\" }} }}"
        )
    };
    let ran = Scene::new()
        .file("secure.toml", manifest)
        .file("main.js", "import { one } from 'one'; import { two } from 'one/two.js'; console.log(one(), two());")
        .file("node_modules/data/package.json", package("data"))
        .file("node_modules/data/index.js", "")
        .file("node_modules/data/list.json", "{ \"list\": [] }")
        .file("node_modules/one/package.json", package("one"))
        .file(
            "node_modules/one/index.js",
            "import value, { list } from 'data/list.json'; list.push(1); export const one = () => list === value.list && list.length;",
        )
        .file("node_modules/one/two.js", "import { list } from 'data/list.json'; export const two = () => list.length;")
        .run(&[])
        .completed();
    assert_eq!(ran.out, "1 1\n");
}
