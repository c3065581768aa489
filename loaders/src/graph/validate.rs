//! The rules that a valid graph follows beyond its encoding.

use std::collections::BTreeMap;

use super::{Graph, GraphError, Module, ModuleKind, Origin, Package, Transformation, limits};
use crate::ContentHash;
use crate::text::{forbidden_character, printable};

/// The subject of an error message. A closure, because the text is needed only if a rule is violated.
type Subject<'a> = &'a dyn Fn() -> String;

pub(super) fn validate(graph: &Graph) -> Result<(), GraphError> {
    limit(
        &|| "the packages".to_owned(),
        graph.packages.len(),
        limits::PACKAGES,
    )?;
    limit(&|| "the modules".to_owned(), graph.modules.len(), limits::MODULES)?;
    packages(&graph.packages)?;
    import_map(&graph.import_map)?;
    let prefixes: Vec<String> = graph.packages.iter().map(Package::module_prefix).collect();
    let mut previous: Option<&Module> = None;
    for module in &graph.modules {
        let subject = || format!("module \"{}\"", printable(&module.name));
        let Some(prefix) = prefixes.get(module.package as usize) else {
            return Err(rule(&subject, format!("there is no package {}", module.package)));
        };
        module_rules(graph, module, prefix, &subject)?;
        if previous
            .is_some_and(|previous| (previous.package, &previous.name) >= (module.package, &module.name))
        {
            return Err(rule(
                &subject,
                "modules are in order of package and name, each once",
            ));
        }
        previous = Some(module);
    }
    let subject = || "the entry".to_owned();
    match graph.module(graph.entry) {
        None => Err(rule(&subject, format!("there is no module {}", graph.entry))),
        Some(entry) if entry.package != 0 => Err(rule(&subject, "belongs to the program, not to a package")),
        Some(entry) if entry.kind == ModuleKind::Wasm => Err(rule(
            &subject,
            "is not WebAssembly, which runs where the module that imports it may",
        )),
        Some(_) => Ok(()),
    }
}

fn packages(packages: &[Package]) -> Result<(), GraphError> {
    let subject = || "the packages".to_owned();
    let Some((app, others)) = packages.split_first() else {
        return Err(rule(&subject, "the first is the program itself"));
    };
    if !app.name.is_empty() {
        return Err(rule(
            &subject,
            "the first is the program itself and has the empty name",
        ));
    }
    let program = || "the program".to_owned();
    grants(&program, &app.grants)?;
    bounds(&program, &app.bounds)?;
    if !app.globals.is_empty() || app.isolate {
        return Err(rule(
            &program,
            "only packages have globals of their own or an isolate",
        ));
    }
    let mut previous = "";
    for package in others {
        let subject = || format!("package \"{}\"", printable(&package.name));
        if !package.name.split('>').all(package_name_is_good) {
            return Err(rule(
                &subject,
                "a package's name is `name` or `@scope/name` of letters, digits and -._~!()*'",
            ));
        }
        if package.name.as_str() <= previous {
            return Err(rule(&subject, "packages are in order of their names, each once"));
        }
        if let Some(version) = &package.version {
            text(&|| format!("{}, version", subject()), version)?;
        }
        grants(&subject, &package.grants)?;
        globals(&subject, &package.globals)?;
        bounds(&subject, &package.bounds)?;
        previous = &package.name;
    }
    Ok(())
}

fn import_map(entries: &BTreeMap<String, String>) -> Result<(), GraphError> {
    let subject: Subject<'_> = &|| "the import map".to_owned();
    limit(subject, entries.len(), limits::IMPORT_MAP)?;
    for (specifier, target) in entries {
        text(subject, specifier)?;
        text(
            &|| format!("the import map, \"{}\"", printable(specifier)),
            target,
        )?;
    }
    Ok(())
}

fn module_rules(
    graph: &Graph,
    module: &Module,
    prefix: &str,
    subject: Subject<'_>,
) -> Result<(), GraphError> {
    let Some(path) = module.name.strip_prefix(prefix) else {
        return Err(rule(subject, format!("its name begins with \"{prefix}\"")));
    };
    file_path(subject, path)?;
    // Otherwise a file could be declared as left out, and nothing would compare it with the project.
    let transformation = module.origin.as_ref().map(|origin| origin.transformation);
    if path.starts_with("browser:false/") != (transformation == Some(Transformation::LeftOut)) {
        return Err(rule(
            subject,
            "modules that are left out, and no others, are in a folder \"browser:false\"",
        ));
    }
    module_size(subject, module.size)?;
    if let Some(origin) = &module.origin {
        self::origin(subject, module, origin)?;
    }
    limit(
        &|| format!("{}, imports", subject()),
        module.imports.len(),
        limits::IMPORTS,
    )?;
    for (specifier, target) in &module.imports {
        text(&|| format!("{}, specifier", subject()), specifier)?;
        if graph.module(*target).is_none() {
            let subject = || format!("{}, specifier \"{}\"", subject(), printable(specifier));
            return Err(rule(&subject, format!("there is no module {target}")));
        }
    }
    globals(subject, &module.globals)?;
    match &module.grants {
        Some(lines) => grants(subject, lines),
        None => Ok(()),
    }
}

fn module_size(subject: Subject<'_>, size: u64) -> Result<(), GraphError> {
    if size <= limits::MODULE_SIZE {
        return Ok(());
    }
    Err(GraphError::Limit {
        what: subject(),
        found: size,
        limit: limits::MODULE_SIZE,
    })
}

fn origin(subject: Subject<'_>, module: &Module, origin: &Origin) -> Result<(), GraphError> {
    if module.kind != ModuleKind::JavaScript {
        return Err(rule(subject, "only JavaScript is made by a transformation"));
    }
    let subject: Subject<'_> = &|| format!("{}, source", subject());
    module_size(subject, origin.size)?;
    let exports = &origin.exports;
    limit(subject, exports.len(), limits::EXPORTS)?;
    let is_left_out = origin.transformation == Transformation::LeftOut;
    if !exports.is_empty() && origin.transformation != Transformation::ImportedCommonJs && !is_left_out {
        return Err(rule(
            subject,
            "only CommonJS that ECMAScript modules import, and modules that are left out, have exports",
        ));
    }
    if is_left_out && (origin.size != 0 || origin.hash != ContentHash::of(b"")) {
        return Err(rule(subject, "a module that is left out is empty"));
    }
    if !exports.is_sorted_by(|left, right| left < right) {
        return Err(rule(subject, "exports are in ascending order, each once"));
    }
    let omitted = &origin.omitted;
    limit(subject, omitted.len(), limits::IMPORTS)?;
    if !omitted.is_empty() && !origin.transformation.is_common_js() {
        return Err(rule(subject, "only CommonJS has omitted specifiers"));
    }
    if !omitted.is_sorted_by(|left, right| left < right) {
        return Err(rule(
            subject,
            "omitted specifiers are in ascending order, each once",
        ));
    }
    for specifier in omitted {
        text(subject, specifier)?;
        if module.imports.contains_key(specifier) {
            return Err(rule(
                subject,
                format!("\"{}\" is both imported and omitted", printable(specifier)),
            ));
        }
    }
    match exports.iter().find(|name| !is_export_name(name)) {
        Some(name) => Err(rule(
            subject,
            format!("\"{}\" cannot be an export", printable(name)),
        )),
        None => Ok(()),
    }
}

/// Returns true if a CommonJS module may export `name`. Any text is allowed except `default`, which names the value of
/// `module.exports` itself.
pub(crate) fn is_export_name(name: &str) -> bool {
    !name.is_empty() && name != "default" && name.len() <= limits::TEXT && forbidden_character(name).is_none()
}

/// Checks the path of a module's file below its package's folder. The path must consist of plain segments, without
/// characters that have a meaning in URLs. So one name is exactly one file and one URL.
pub(crate) fn file_path(subject: Subject<'_>, path: &str) -> Result<(), GraphError> {
    text(subject, path)?;
    if let Some(character) = path
        .chars()
        .find(|character| matches!(character, '%' | '?' | '#' | '\\'))
    {
        return Err(rule(subject, format!("a module's path has no {character:?}")));
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(rule(
            subject,
            "a module's path has no empty, \".\" or \"..\" part",
        ));
    }
    Ok(())
}

/// Returns true if `name` may name a package: `name` or `@scope/name`, in the characters that registries have ever
/// allowed.
pub(crate) fn package_name_is_good(name: &str) -> bool {
    let (scope, plain) = match name.strip_prefix('@').and_then(|scoped| scoped.split_once('/')) {
        Some((scope, plain)) => (Some(scope), plain),
        None => (None, name),
    };
    let good = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!()*'".contains(&byte))
    };
    name.len() <= 214 && good(plain) && scope.is_none_or(good) && plain != "node_modules"
}

fn globals(subject: Subject<'_>, globals: &[String]) -> Result<(), GraphError> {
    list(subject, "globals", globals, limits::GLOBALS)
}

fn grants(subject: Subject<'_>, grants: &[String]) -> Result<(), GraphError> {
    list(subject, "grants", grants, limits::GRANTS)
}

fn bounds(subject: Subject<'_>, bounds: &[String]) -> Result<(), GraphError> {
    list(subject, "bounds", bounds, limits::BOUNDS)
}

/// Checks that texts are in ascending order without duplicates.
fn list(subject: Subject<'_>, kind: &str, texts: &[String], most: usize) -> Result<(), GraphError> {
    let subject: Subject<'_> = &|| format!("{}, {kind}", subject());
    limit(subject, texts.len(), most)?;
    for line in texts {
        text(subject, line)?;
    }
    if texts.is_sorted_by(|left, right| left < right) {
        Ok(())
    } else {
        Err(rule(subject, "they are in ascending order, each once"))
    }
}

fn text(subject: Subject<'_>, text: &str) -> Result<(), GraphError> {
    if text.is_empty() {
        return Err(rule(subject, "may not be empty"));
    }
    limit(subject, text.len(), limits::TEXT)?;
    match forbidden_character(text) {
        Some(character) => {
            let character = character.escape_unicode();
            Err(rule(
                subject,
                format!("has the character {character}, which is not allowed there"),
            ))
        }
        None => Ok(()),
    }
}

fn limit(subject: Subject<'_>, found: usize, limit: usize) -> Result<(), GraphError> {
    if found <= limit {
        return Ok(());
    }
    Err(GraphError::Limit {
        what: subject(),
        found: found as u64,
        limit: limit as u64,
    })
}

fn rule(subject: Subject<'_>, rule: impl Into<String>) -> GraphError {
    GraphError::Rule {
        what: subject(),
        rule: rule.into(),
    }
}
