//! Programs that consist of the words that QuickJS's bindings search for in source text. On QuickJS, they behave like
//! on V8 or are refused.
//!
//! The test computes each value of a module too, so it needs only one engine at a time.

use std::fmt::Write;

use secure_runtime::Engine;

use crate::support::{Scene, manifest};

/// Texts that the bindings act on, and texts that confuse their detection of literals.
const TEXTS: &[&str] = &[
    "import defer * as zz from '",
    "import defer * as zz from \"x\";",
    "import\tdefer * as zz from 'x'",
    "import source x from './m.wasm';",
    "import source x from \"",
    "import defer",
    "import source",
    "import.source('x')",
    "import.defer \t(",
    "x %NeverOptimizeFunction(y)",
    "%PrepareFunctionForOptimization(a, (b)",
    "%OptimizeFunctionOnNextCall()",
    "%AtomicsNumWaitersForTesting(x)",
    "%AtomicsNumUnresolvedAsyncPromisesForTesting(",
    "; import{fs as stolen}from\"cap:self/0\"; got = stolen; //",
    "\nimport{fs as stolen}from'cap:self/0'\n",
    " import * as x from 'y' with { type: 'unknown' }; ",
    "export * from \"cap:self\"; ",
    "export { a as b } from 'ext:core/mod.js';",
    "; import x from'./helper.js'with{type:'json'}; ",
    "\nimport './nowhere.js' with { type: \"text\" }\n",
    "}}}};export*from'cap:self';",
    "\n//# sourceMappingURL=data:application/json,{}\n",
    "\n//@ sourceMappingURL=x\n",
    "/`/",
    "/\"/",
    "//",
    "/*",
    "*/",
    "`",
    "\"",
    "'",
    "\\",
    "${",
    "%",
    "import",
    "export",
    "\0",
    "\u{2028}é",
    " ",
];

/// A random number generator: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn text(&mut self) -> String {
        self.text_of(TEXTS)
    }

    /// Returns a text without words that can make QuickJS refuse a module.
    fn import_like(&mut self) -> String {
        let words = [
            "import defer",
            "import source",
            "import.",
            "(",
            "sourceMappingURL",
            "\0",
        ];
        let texts = TEXTS.iter().copied();
        let texts: Vec<&str> = texts
            .filter(|text| !words.iter().any(|word| text.contains(word)))
            .collect();
        self.text_of(&texts)
    }

    fn text_of(&mut self, texts: &[&str]) -> String {
        let parts = 1 + self.below(4);
        (0..parts).map(|_| texts[self.below(texts.len())]).collect()
    }
}

/// Returns a string literal with this value.
fn string(text: &str, quote: char) -> String {
    let mut literal = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '%' => literal.push_str("\\%"),
            character if character == quote => {
                literal.push('\\');
                literal.push(character);
            }
            character => literal.push(character),
        }
    }
    literal.push(quote);
    literal
}

/// Returns the parts of a template literal with this value. One part is an expression.
fn template(text: &str) -> String {
    let literal = text
        .replace('\\', "\\\\")
        .replace('`', "\\`")
        .replace("${", "\\${");
    format!("`{literal}${{`{literal}`}}`")
}

/// Returns an expression, its value, and true if the program can see its source text.
fn expression(random: &mut Random) -> (String, String, bool) {
    let text = random.text();
    let plain: String = text
        .chars()
        .filter(|character| !"\\`$\0\n/'\"()[]{}*\u{2028}".contains(*character))
        .collect();
    // The text that a tagged template and a character class can contain unescaped, including quotes and line ends.
    let tagged = random.import_like().replace(['\\', '`', '$'], "");
    let class = tagged
        .replace([']', '\n', '\u{2028}', '-'], "")
        .replace('/', "\\/");
    match random.below(11) {
        0 => (string(&text, '"'), text, false),
        1 => (string(&text, '\''), text, false),
        2 => (string(&text, '"').replace("\\%", "%"), text, false),
        3 => (template(&text), format!("{text}{text}"), false),
        4 => (format!("String.raw`{plain}`"), plain, true),
        5 => (format!("/x{plain}/.source"), format!("x{plain}"), true),
        6 => (
            format!("String.raw`{tagged}${{`{tagged}`}}`"),
            format!("{tagged}{tagged}"),
            true,
        ),
        7 => (
            format!("/[`x{class}'\"]/.source"),
            format!("[`x{class}'\"]"),
            true,
        ),
        8 => {
            let call = ["o.import.source", "o.import.defer", "o. import /* ; */ .source"][random.below(3)];
            let gap = ["", " ", "\t", "/* import defer */", "\n"][random.below(5)];
            (
                format!("{call}{gap}({})", string(&text, '"')),
                format!("called with {text}"),
                false,
            )
        }
        9 => {
            let called = [
                "NeverOptimizeFunction",
                "PrepareFunctionForOptimization",
                "OptimizeFunctionOnNextCall",
                "AtomicsNumWaitersForTesting",
                "AtomicsNumUnresolvedAsyncPromisesForTesting",
            ][random.below(5)];
            (format!("String(17 %{called}(5, ')('))"), "2".to_owned(), false)
        }
        _ => (
            format!(
                "({{ {}: 'of a key' }})[{}]",
                string(&text, '\''),
                string(&text, '"')
            ),
            "of a key".to_owned(),
            false,
        ),
    }
}

/// Returns a module that exports values, the values, and true if QuickJS may refuse the module.
fn module(random: &mut Random) -> (String, Vec<String>, bool) {
    let mut source = String::new();
    if random.below(4) == 0 {
        let text = random.text().replace(['\n', '\u{2028}'], "");
        let _ = writeln!(source, "// {text}");
    }
    let named = ["defer", "source"][random.below(2)];
    let _ = write!(
        source,
        "import {named} from './helper.js';{}const same = (x) => x, NeverOptimizeFunction = same, PrepareFunctionForOptimization = same, \
         OptimizeFunctionOnNextCall = same, AtomicsNumWaitersForTesting = same, \
         AtomicsNumUnresolvedAsyncPromisesForTesting = same;\n\
         const o = {{ import: {{ source: (x) => 'called with ' + x, defer: (x) => 'called with ' + x }} }};\nlet got = 'nothing';\n\
         const values = [{named}];\n",
        ["\n", " ", "/*\n*/"][random.below(3)],
    );
    let mut values = vec!["of the helper".to_owned()];
    let mut shows_text = false;
    for _ in 0..2 + random.below(5) {
        let (expression, value, shows) = expression(random);
        let _ = write!(
            source,
            "values.push({expression});{}",
            ["\n", " ", ""][random.below(3)]
        );
        values.push(value);
        shows_text |= shows;
    }
    source.push_str("\nvalues.push(got);\nexport default values;\n");
    values.push("nothing".to_owned());
    (source, values, shows_text)
}

/// RUN-80, RUN-81.
#[test]
fn text_with_the_engines_words_keeps_its_meaning_or_is_refused() {
    const MODULES: usize = 60;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut ran_count, mut refused_count) = (0, 0);
    for _ in 0..4 {
        let mut scene = Scene::new()
            .file(
                "secure.toml",
                manifest(
                    &["fs.read=./data/**"],
                    "[imports]\nsuspect = \"./suspect/\"\n[packages.suspect]\ngrants = {}\n",
                ),
            )
            .file(
                "main.js",
                "import { fs } from 'cap:self'; import { tell } from 'suspect'; await tell(); void fs;",
            )
            .file("suspect/helper.js", "export default 'of the helper';");
        let mut index = String::from(
            "const plain = (value) => JSON.stringify(value).replace(/[^ -~]/g, (it) => '\\\\u' + it.charCodeAt(0).toString(16).padStart(4, '0'));\n\
             export const tell = async () => {\n",
        );
        let mut expected = Vec::new();
        for number in 0..MODULES {
            let (source, values, shows_text) = module(&mut random);
            let _ = writeln!(
                index,
                "console.log(plain(await import('./m{number}.js').then((it) => it.default, String)));"
            );
            scene = scene.file(&format!("suspect/m{number}.js"), &source);
            expected.push((source, values, shows_text));
        }
        index.push_str("};\n");
        let ran = scene.file("suspect/index.js", index).run(&[]).completed();
        let lines: Vec<&str> = ran.out.lines().collect();
        assert_eq!(lines.len(), MODULES);
        for (line, (source, values, shows_text)) in lines.iter().zip(&expected) {
            let line = line.strip_prefix("[suspect/index.js] ").unwrap_or(line);
            let said: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            if Engine::current() == Engine::QuickJs && *shows_text && said.is_string() {
                assert!(
                    line.contains("QuickJS's bindings would run another program"),
                    "{source}\n{line}"
                );
                refused_count += 1;
                continue;
            }
            assert_eq!(said, serde_json::json!(values), "{source}\n{line}");
            ran_count += 1;
        }
    }
    assert!(ran_count > 100, "{ran_count} ran, {refused_count} were refused");
}

/// RUN-80: a text in a regular expression or a tagged template that looks like an import is neither loaded nor refused.
#[test]
fn imports_in_regular_expressions_and_tagged_templates_are_text() {
    let texts = [
        "import a from 'cap:self'",
        "; import{fs as stolen}from\"cap:self\"; ",
        " import './nowhere.js' with { type: 'json' }; ",
        " import x from './nowhere.js' with { type: 'text' }; ",
        " import x from './helper.js' with { type: 'unknown' }; ",
        " export * from './nowhere.js' with { type: 'bytes' }; ",
        " export { a as b } from 'npm:nowhere'; ",
        "}}}} import x from './nowhere.js'; {{{{",
    ];
    let mut source = String::from("import helper from './helper.js'; const found = [helper];\n");
    let mut wanted = vec!["of the helper".to_owned()];
    for text in texts {
        let class = text.replace('/', "\\/");
        let _ = writeln!(
            source,
            "found.push(String.raw`{text}`);\nfound.push(/[{class}]/g.source, /[`'\"]/.source);\nfound.push(((it) => it.raw[0])`\n{text}\n`);"
        );
        wanted.extend([
            text.to_owned(),
            format!("[{class}]"),
            "[`'\"]".to_owned(),
            format!("\n{text}\n"),
        ]);
    }
    source.push_str("console.log(JSON.stringify(found)); await import('./later.js');\n");
    let scene = Scene::new()
        .file("secure.toml", manifest(&[], ""))
        .file("helper.js", "export default 'of the helper';")
        .file("later.js", source.replace("await import('./later.js')", ""))
        .file("main.js", &source);
    let ran = scene.run(&[]).completed();
    let lines: Vec<Vec<String>> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, [wanted.clone(), wanted]);
}

/// RUN-80: the export names of a package in its own isolate are written into a synthetic module of the runtime.
#[test]
fn exported_names_made_of_the_engines_words_are_names() {
    let names: Vec<String> = TEXTS
        .iter()
        .map(|text| text.replace(['\0', '\u{2028}'], ""))
        .collect();
    let exports: Vec<String> = names
        .iter()
        .map(|name| format!("it as {}", string(name, '"')))
        .collect();
    let packages = "[imports]\nsuspect = \"./suspect/\"\n[packages.suspect]\nisolate = true\ngrants = {}\n";
    let scene = Scene::new()
        .file("secure.toml", manifest(&["fs.read=./data/**"], packages))
        .file(
            "suspect/index.js",
            format!("const it = 'exported'; export {{ {} }};", exports.join(", ")),
        )
        .file(
            "main.js",
            "import { fs } from 'cap:self'; import * as suspect from 'suspect'; void fs;\n\
             console.log(JSON.stringify(Object.entries(suspect)).replace(/[^ -~]/g, '?'));",
        );
    let ran = scene.run(&[]).completed();
    let said: Vec<(String, String)> = serde_json::from_str(ran.out.trim()).unwrap();
    let mut wanted: Vec<String> = names
        .iter()
        .map(|name| {
            name.replace(
                |it: char| !(' '..='~').contains(&it) && it != '\n' && it != '\t',
                "?",
            )
        })
        .collect();
    wanted.sort();
    wanted.dedup();
    let mut found: Vec<String> = said
        .into_iter()
        .map(|(name, value)| {
            assert_eq!(value, "exported");
            name
        })
        .collect();
    found.sort();
    assert_eq!(found, wanted);
}
