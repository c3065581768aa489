//! The second table of `cargo xtask packages`: packages in use.
//!
//! Each program in xtask/packages/ does with one package the first thing that the package's README shows. Its
//! header states the versions, the rights and the expected output. To add a package, add a file:
//!
//! ```js
//! // npm: nanoid@5.1.16
//! // grants: random = "seeded"
//! // prints: 21
//! import { nanoid } from "nanoid";
//! console.log(nanoid().length);
//! ```
//!
//! [`Program`] describes all lines of a header. The results are in docs/packages-used.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::demo;
use crate::engine::{Choice, Engine, available};
use crate::steps::{Steps, root, target};
use crate::table::{install, lock, ours};

const PROGRAMS: &str = "xtask/packages";
const TABLE: &str = "docs/packages-used.md";

/// The programs for continuous integration.
const FEW: [&str; 4] = ["marked", "nanoid", "yaml", "zod"];

/// A program for continuous integration on V8. Its interfaces (`Request`) do not exist on QuickJS.
const FEW_V8: &str = "hono";

/// Maximum length of a printed line in the table.
const SHOWN: usize = 60;

/// A program, and the lines of its header.
struct Program {
    /// The name of the file without `.js`.
    name: String,
    /// `// npm: NAME@VERSION`, once for each import. The first is the package of the table.
    imports: Vec<(String, String)>,
    /// `// grants: GRANT` for the first package, and `// grants PACKAGE: GRANT` for another one, which is named
    /// like in a manifest.
    grants: Vec<(String, String)>,
    /// `// why not: REASON`, if the program is known to fail.
    why_not: Option<String>,
    /// `// code from strings: WAY`, if the package compiles code. The text says how to compile it before.
    way: Option<String>,
    /// `// note: TEXT` for the table.
    note: Option<String>,
    /// `// prints: LINE`, once for each line of the expected output.
    prints: Vec<String>,
    text: String,
}

/// The reason why a program does not print what it should.
type Reason = String;

/// Runs all programs and writes the table. With names, runs only these programs, and fails if one of them does.
pub(crate) fn run(choice: Choice, names: &[String]) -> Result<()> {
    let engines = available(choice)?;
    let mut steps = Steps::new();
    if names.is_empty() {
        write(&mut steps, &engines)?;
    } else {
        let programs = named(names.iter().map(String::as_str))?;
        let folder = target()?.join("packages-named");
        install_all(&mut steps, &folder, &programs)?;
        for engine in &engines {
            demo::build(&mut steps, *engine)?;
            all_must_work(&mut steps, *engine, &folder, &programs)?;
        }
    }
    steps.summary("packages");
    Ok(())
}

/// Runs all programs on the engines, and writes the table.
pub(crate) fn write(steps: &mut Steps, engines: &[Engine]) -> Result<()> {
    let programs = programs()?;
    let folder = target()?.join("packages-used");
    install_all(steps, &folder, &programs)?;
    let mut columns = Vec::new();
    for engine in engines {
        demo::build(steps, *engine)?;
        columns.push(column(steps, *engine, &folder, &programs)?);
    }
    for (program, results) in rows(&programs, &columns) {
        if program.why_not.is_some() && results.iter().all(|result| result.is_none()) {
            println!("{} works: remove `why not` from its header", program.name);
        }
    }
    fs::write(root().join(TABLE), table(engines, &programs, &columns))
        .with_context(|| format!("{TABLE} cannot be written"))?;
    println!("written: {TABLE}");
    Ok(())
}

/// Runs a few programs with the most recently built binary. All must work.
pub(crate) fn few(steps: &mut Steps, engine: Engine) -> Result<()> {
    let for_engine = (engine == Engine::V8).then_some(FEW_V8);
    let programs = named(FEW.into_iter().chain(for_engine))?;
    let folder = target()?.join(format!("packages-used-few-{engine}"));
    install_all(steps, &folder, &programs)?;
    all_must_work(steps, engine, &folder, &programs)
}

fn all_must_work(steps: &mut Steps, engine: Engine, folder: &Path, programs: &[Program]) -> Result<()> {
    let results = column(steps, engine, folder, programs)?;
    let failed: Vec<String> = programs
        .iter()
        .zip(&results)
        .filter_map(|(program, result)| Some(format!("{}: {}", program.name, result.as_ref()?)))
        .collect();
    if !failed.is_empty() {
        bail!(
            "{} programs of {PROGRAMS} fail: {}",
            failed.len(),
            failed.join("; ")
        );
    }
    Ok(())
}

/// Runs the programs on one engine. Returns the reason of each failure.
fn column(
    steps: &mut Steps,
    engine: Engine,
    folder: &Path,
    programs: &[Program],
) -> Result<Vec<Option<Reason>>> {
    steps.step(&format!("packages in use ({engine})"), || {
        programs.iter().map(|program| attempt(folder, program)).collect()
    })
}

/// Locks and runs a program. Returns the reason if it does not print what it should.
fn attempt(folder: &Path, program: &Program) -> Result<Option<Reason>> {
    fs::write(folder.join("secure.toml"), program.manifest()).context("secure.toml cannot be written")?;
    fs::write(folder.join("main.js"), &program.text).context("main.js cannot be written")?;
    if let Err(reason) = lock(folder)? {
        return Ok(Some(reason));
    }
    Ok(match ours(folder, &["run", "--locked"])? {
        Ok(printed) => difference(&printed, &program.prints),
        Err(reason) => Some(reason),
    })
}

/// Describes the first line that differs from the expected output.
fn difference(printed: &str, expected: &[String]) -> Option<Reason> {
    let mut lines = printed.lines();
    for line in expected {
        match lines.next() {
            Some(printed) if printed == line => {}
            Some(printed) => return Some(format!("it prints {:?}", shortened(printed))),
            None => return Some(format!("it does not print {:?}", shortened(line))),
        }
    }
    lines
        .next()
        .map(|printed| format!("it also prints {:?}", shortened(printed)))
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// Installs the packages of all programs. Two programs must not import two versions of one package, because npm
/// installs one.
fn install_all(steps: &mut Steps, folder: &Path, programs: &[Program]) -> Result<()> {
    let mut packages = BTreeMap::new();
    for program in programs {
        for (name, version) in &program.imports {
            let other = packages.insert(name.as_str(), version.as_str());
            if other.is_some_and(|other| other != version) {
                bail!("the programs in {PROGRAMS} import two versions of {name}: use one");
            }
        }
    }
    install(steps, folder, packages.into_iter())
}

/// Returns the programs with these names.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<Program>> {
    names.map(read).collect()
}

/// Returns all programs, sorted by name.
fn programs() -> Result<Vec<Program>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join(PROGRAMS)).with_context(|| format!("{PROGRAMS} cannot be read"))? {
        let file = entry
            .with_context(|| format!("{PROGRAMS} cannot be read"))?
            .file_name();
        if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".js")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    named(names.iter().map(String::as_str))
}

fn read(name: &str) -> Result<Program> {
    let path = format!("{PROGRAMS}/{name}.js");
    let text = fs::read_to_string(root().join(&path)).with_context(|| format!("{path} cannot be read"))?;
    Program::parse(name, text).with_context(|| format!("the header of {path} is wrong"))
}

impl Program {
    /// Parses the header: the comment lines before the first other line.
    fn parse(name: &str, text: String) -> Result<Self> {
        let mut program = Self {
            name: name.to_owned(),
            imports: Vec::new(),
            grants: Vec::new(),
            why_not: None,
            way: None,
            note: None,
            prints: Vec::new(),
            text: String::new(),
        };
        for line in text.lines().map_while(|line| line.strip_prefix("// ")) {
            let (key, value) = line
                .split_once(':')
                .with_context(|| format!("{line:?} is not `key: value`"))?;
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            let first = program.imports.first().map(|(name, _)| name.clone());
            match (key, first) {
                ("npm", _) => {
                    let (name, version) = value
                        .rsplit_once('@')
                        .with_context(|| format!("{value:?} is not NAME@VERSION"))?;
                    program.imports.push((name.to_owned(), version.to_owned()));
                }
                (_, None) => bail!("the first line must be `// npm: NAME@VERSION`"),
                ("grants", Some(package)) => program.grants.push((package, value)),
                ("why not", _) => program.why_not = Some(value),
                ("code from strings", _) => program.way = Some(value),
                ("note", _) => program.note = Some(value),
                ("prints", _) => program.prints.push(value),
                _ => match key.strip_prefix("grants ") {
                    Some(package) => program.grants.push((package.to_owned(), value)),
                    None => bail!(
                        "{key:?} is not one of npm, grants, why not, code from strings, note and prints"
                    ),
                },
            }
        }
        if program.imports.is_empty() || program.prints.is_empty() {
            bail!("it needs a line `// npm: NAME@VERSION` and a line `// prints: LINE`");
        }
        program.text = text;
        Ok(program)
    }

    /// Returns the grants of each package.
    fn packages(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (package, grant) in &self.grants {
            packages.entry(package).or_default().push(grant);
        }
        packages
    }

    /// Returns the manifest. A package holds a right only if the program does.
    fn manifest(&self) -> String {
        let mut manifest = "[package]\nname = \"packages\"\nentry = \"main.js\"\n\n[imports]\n".to_owned();
        for (name, version) in &self.imports {
            manifest.push_str(&format!("{name:?} = {:?}\n", format!("npm:{name}@{version}")));
        }
        manifest.push_str("\n[limits]\nwall = \"60s\"\n");
        let mut grants: Vec<&str> = self.grants.iter().map(|(_, grant)| grant.as_str()).collect();
        grants.sort_unstable();
        grants.dedup();
        manifest.push_str(&format!("\n[grants]\n{}\n", grants.join("\n")));
        for (package, grants) in self.packages() {
            manifest.push_str(&format!(
                "\n[packages.{package:?}]\ngrants = {{ {} }}\n",
                grants.join(", ")
            ));
        }
        manifest
    }

    /// Returns the rights of the packages like a manifest names them.
    fn rights(&self) -> String {
        let first = self.imports.first().map(|(name, _)| name.as_str());
        let rights: Vec<String> = self
            .packages()
            .into_iter()
            .map(|(package, grants)| match first == Some(package) {
                true => format!("`{}`", grants.join(", ")),
                false => format!("{package}: `{}`", grants.join(", ")),
            })
            .collect();
        match rights.is_empty() {
            true => "none".to_owned(),
            false => rights.join("; "),
        }
    }
}

/// Returns each program with its results, one for each engine.
fn rows<'a>(
    programs: &'a [Program],
    columns: &'a [Vec<Option<Reason>>],
) -> impl Iterator<Item = (&'a Program, Vec<Option<&'a Reason>>)> {
    programs.iter().enumerate().map(|(index, program)| {
        let results = columns
            .iter()
            .filter_map(|column| column.get(index))
            .map(Option::as_ref)
            .collect();
        (program, results)
    })
}

fn table(engines: &[Engine], programs: &[Program], columns: &[Vec<Option<Reason>>]) -> String {
    let mut text = format!(
        "# Packages in use\n\nWritten by `cargo xtask packages`, from the programs in [{PROGRAMS}/](../{PROGRAMS}). Each program does with a package\n\
         what the package's README shows first. *yes* means that it printed exactly what its header says. Programs use no\n\
         network: servers are called with a `Request`, and clients get a `fetch` of the program.\n\n\
         The column *rights* has the grants of the package; a right of another package follows its name. `clock = \"never\"` is a\n\
         clock that stands at 1970, and `random = \"seeded\"` are random numbers that are derived from the module's own hash. Both\n\
         reveal nothing. A service that needs the time or unpredictable numbers grants real ones.\n\n\
         To add a package, add a file to {PROGRAMS}/. xtask/src/used.rs describes its header. `cargo xtask packages NAME` runs one\n\
         program.\n\n"
    );
    let compiles = |program: &Program| program.way.is_some();
    for (index, engine) in engines.iter().enumerate() {
        let works = |results: &[Option<&Reason>]| matches!(results.get(index), Some(None));
        let count = |wanted: bool| {
            let (mut all, mut working) = (0, 0);
            for (program, results) in rows(programs, columns) {
                if compiles(program) == wanted {
                    all += 1;
                    working += usize::from(works(&results));
                }
            }
            (working, all)
        };
        let (working, all) = count(false);
        let (compiling_working, compiling) = count(true);
        text.push_str(&format!(
            "- {engine}: {working} of {all} programs work ({:.1} %); of {compiling} that compile code from strings, {compiling_working}\n",
            100.0 * working as f64 / f64::from(u32::try_from(all.max(1)).unwrap_or(u32::MAX))
        ));
    }
    let names: Vec<String> = engines.iter().map(Engine::to_string).collect();
    let head = |last: &str| {
        format!(
            "\n| program | packages | rights | {} | {last} |\n| --- | --- | --- |{} --- |\n",
            names.join(" | "),
            " --- |".repeat(names.len())
        )
    };
    text.push_str(&head("why not, or what to know"));
    for (program, results) in rows(programs, columns).filter(|(program, _)| !compiles(program)) {
        let mut last: Vec<String> = Vec::new();
        let failed = || results.iter().zip(&names);
        match &program.why_not {
            Some(reason) if results.iter().any(Option::is_some) => last.push(reason.clone()),
            _ => last.extend(failed().filter_map(|(reason, name)| Some(format!("{name}: {}", (*reason)?)))),
        }
        last.extend(program.note.clone());
        text.push_str(&row(program, &results, &last.join("; ")));
    }
    text.push_str(
        "\n## Packages that compile code from strings\n\nNo program makes code from strings here. These packages do so when they are used in the usual way. Each can do that\n\
         work before the program is locked; the table says how. The programs `…-precompiled` above use the result.\n",
    );
    text.push_str(&head("precompiled"));
    for (program, results) in rows(programs, columns).filter(|(program, _)| compiles(program)) {
        text.push_str(&row(
            program,
            &results,
            program.way.as_deref().unwrap_or_default(),
        ));
    }
    text
}

fn row(program: &Program, results: &[Option<&Reason>], last: &str) -> String {
    let packages: Vec<String> = program
        .imports
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let marks: Vec<&str> = results
        .iter()
        .map(|result| if result.is_none() { "yes" } else { "no" })
        .collect();
    format!(
        "| [{0}](../{PROGRAMS}/{0}.js) | {1} | {2} | {3} | {4} |\n",
        program.name,
        packages.join(", "),
        program.rights(),
        marks.join(" | "),
        last.replace('|', "\\|")
    )
}

#[cfg(test)]
mod tests {
    use super::{Program, difference, programs};

    fn parse(text: &str) -> anyhow::Result<Program> {
        Program::parse("it", text.to_owned())
    }

    #[test]
    fn header_becomes_a_manifest() {
        let program = parse(
            "// npm: @a/b@1.0.0\n// npm: c@2.0.0\n// grants: random = \"seeded\"\n// grants: clock = \"never\"\n\
             // grants c>d: clock = \"never\"\n// prints: a: b\n// prints:\nimport \"@a/b\";\n// prints: no\n",
        )
        .unwrap();
        assert_eq!(program.prints, ["a: b", ""]);
        assert_eq!(
            program.manifest(),
            "[package]\nname = \"packages\"\nentry = \"main.js\"\n\n\
             [imports]\n\"@a/b\" = \"npm:@a/b@1.0.0\"\n\"c\" = \"npm:c@2.0.0\"\n\n[limits]\nwall = \"60s\"\n\n\
             [grants]\nclock = \"never\"\nrandom = \"seeded\"\n\n\
             [packages.\"@a/b\"]\ngrants = { random = \"seeded\", clock = \"never\" }\n\n\
             [packages.\"c>d\"]\ngrants = { clock = \"never\" }\n"
        );
        assert_eq!(
            program.rights(),
            "`random = \"seeded\", clock = \"never\"`; c>d: `clock = \"never\"`"
        );
    }

    #[test]
    fn wrong_headers_are_refused() {
        for header in [
            "// prints: 1",
            "// npm: a@1",
            "// npm: a\n// prints: 1",
            "// npm: a@1\n// writes: 1\n// prints: 1",
        ] {
            assert!(parse(header).is_err(), "{header}");
        }
    }

    #[test]
    fn output_is_compared_line_by_line() {
        let expected = ["a".to_owned(), String::new()];
        assert_eq!(difference("a\n\n", &expected), None);
        for wrong in ["", "a\n", "b\n\n", "a\n\nc\n"] {
            assert!(difference(wrong, &expected).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn every_program_has_a_header() {
        assert!(programs().unwrap().len() >= 60);
    }
}
