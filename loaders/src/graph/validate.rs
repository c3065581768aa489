//! The rules that a graph keeps beyond its encoding.

use super::{Graph, GraphError, Module, Package, limits};
use crate::text::{forbidden_character, printable};

pub(super) fn validate(graph: &Graph) -> Result<(), GraphError> {
    limit("the packages", graph.packages.len(), limits::PACKAGES)?;
    limit("the modules", graph.modules.len(), limits::MODULES)?;
    packages(&graph.packages)?;
    for (index, module) in graph.modules.iter().enumerate() {
        let Some(package) = graph.package_of(module) else {
            return Err(rule(
                module_label(module),
                format!("there is no package {}", module.package),
            ));
        };
        module_rules(graph, module, package)?;
        let previous = index
            .checked_sub(1)
            .and_then(|previous| graph.modules.get(previous));
        if let Some(previous) = previous
            && (previous.package, &previous.name) >= (module.package, &module.name)
        {
            return Err(rule(
                module_label(module),
                "modules are in order of package and name, each once",
            ));
        }
    }
    match graph.module(graph.entry) {
        None => Err(rule("the entry", format!("there is no module {}", graph.entry))),
        Some(entry) if entry.package != 0 => {
            Err(rule("the entry", "belongs to the program, not to a package"))
        }
        Some(_) => Ok(()),
    }
}

fn packages(packages: &[Package]) -> Result<(), GraphError> {
    let Some((app, others)) = packages.split_first() else {
        return Err(rule("the packages", "the first is the program itself"));
    };
    if !app.name.is_empty() {
        return Err(rule(
            "the packages",
            "the first is the program itself and has the empty name",
        ));
    }
    grants("the program", &app.grants)?;
    let mut previous = "";
    for package in others {
        let label = format!("package \"{}\"", printable(&package.name));
        package
            .name
            .split('>')
            .try_for_each(|name| package_name(&label, name))?;
        if package.name.as_str() <= previous {
            return Err(rule(label, "packages are in order of their names, each once"));
        }
        if let Some(version) = &package.version {
            text(&format!("{label}, version"), version)?;
        }
        grants(&label, &package.grants)?;
        previous = &package.name;
    }
    Ok(())
}

fn module_rules(graph: &Graph, module: &Module, package: &Package) -> Result<(), GraphError> {
    let label = module_label(module);
    let Some(path) = module.path_in(package) else {
        return Err(rule(
            label,
            format!("its name begins with \"{}\"", package.module_prefix()),
        ));
    };
    file_path(&label, path)?;
    if module.size > limits::MODULE_SIZE {
        return Err(GraphError::Limit {
            what: label,
            found: module.size,
            limit: limits::MODULE_SIZE,
        });
    }
    limit(
        &format!("{label}, imports"),
        module.imports.len(),
        limits::IMPORTS,
    )?;
    for (specifier, target) in &module.imports {
        text(&format!("{label}, specifier"), specifier)?;
        if graph.module(*target).is_none() {
            return Err(rule(
                format!("{label}, specifier \"{}\"", printable(specifier)),
                format!("there is no module {target}"),
            ));
        }
    }
    globals(&label, &module.globals)?;
    match &module.grants {
        Some(lines) => grants(&label, lines),
        None => Ok(()),
    }
}

/// The rules for the path of a module's file below its package's folder: plain segments, and no
/// character that a URL gives a meaning to, so that a name is one file and one URL.
pub(crate) fn file_path(label: &str, path: &str) -> Result<(), GraphError> {
    text(label, path)?;
    if let Some(character) = path
        .chars()
        .find(|character| matches!(character, '%' | '?' | '#' | '\\'))
    {
        return Err(rule(label, format!("a module's path has no {character:?}")));
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(rule(label, "a module's path has no empty, \".\" or \"..\" part"));
    }
    Ok(())
}

fn package_name(label: &str, name: &str) -> Result<(), GraphError> {
    if package_name_is_good(name) {
        Ok(())
    } else {
        Err(rule(
            label,
            "a package's name is `name` or `@scope/name` of letters, digits and -._~!()*'",
        ))
    }
}

/// Whether `name` may be a package's: `name` or `@scope/name`, as registries have ever allowed.
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

fn globals(label: &str, globals: &[String]) -> Result<(), GraphError> {
    limit(&format!("{label}, globals"), globals.len(), limits::GLOBALS)?;
    for name in globals {
        text(&format!("{label}, global"), name)?;
    }
    if globals.windows(2).any(|pair| pair.first() >= pair.last()) {
        return Err(rule(label, "globals are in ascending order, each once"));
    }
    Ok(())
}

fn grants(label: &str, grants: &[String]) -> Result<(), GraphError> {
    limit(&format!("{label}, grants"), grants.len(), limits::GRANTS)?;
    for grant in grants {
        text(&format!("{label}, grant"), grant)?;
    }
    if grants.is_sorted_by(|left, right| left < right) {
        Ok(())
    } else {
        Err(rule(label, "grants are in ascending order, each once"))
    }
}

fn text(label: &str, text: &str) -> Result<(), GraphError> {
    if text.is_empty() {
        return Err(rule(label, "may not be empty"));
    }
    limit(label, text.len(), limits::TEXT)?;
    match forbidden_character(text) {
        Some(character) => Err(rule(
            label,
            format!(
                "has the character {}, which may not stand there",
                character.escape_unicode()
            ),
        )),
        None => Ok(()),
    }
}

fn limit(what: &str, found: usize, limit: usize) -> Result<(), GraphError> {
    if found > limit {
        Err(GraphError::Limit {
            what: what.to_owned(),
            found: found as u64,
            limit: limit as u64,
        })
    } else {
        Ok(())
    }
}

fn module_label(module: &Module) -> String {
    format!("module \"{}\"", printable(&module.name))
}

fn rule(what: impl Into<String>, rule: impl Into<String>) -> GraphError {
    GraphError::Rule {
        what: what.into(),
        rule: rule.into(),
    }
}
