//! Conversion of a TOML document with source positions to a [`Manifest`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use secure_runtime_capabilities::{Right, Rights};
use toml::de::{DeTable, DeValue};

use super::report::line_of;
use super::source::{Key, Source, Value};
use super::{Manifest, ManifestError, kv, limits, packages, trust};
use secure_runtime_engine::Limits;

/// A grant with its source position, which is shown if the grant exceeds the rights of the program.
struct Grant {
    line: String,
    rights: Vec<Right>,
    place: Range<usize>,
}

pub(super) fn manifest(source: &Source<'_>) -> Result<Manifest, ManifestError> {
    let document = DeTable::parse(source.text).map_err(|mut error| {
        let place = error.span().unwrap_or(0..0);
        // The source must not show the line, which may contain a secret. The manifest's error masks it.
        error.set_input(None);
        source
            .error(place, error.message().trim().to_owned(), None)
            .caused_by(error)
    })?;
    const KNOWN: [&str; 8] = [
        "package", "imports", "grants", "packages", "modules", "limits", "kv", "trust",
    ];
    let mut found: BTreeMap<&str, &Value<'_>> = BTreeMap::new();
    for (key, value) in document.get_ref() {
        let Some(known) = KNOWN.iter().find(|known| **known == key.get_ref()) else {
            return Err(source.unknown(key, &KNOWN, "the manifest"));
        };
        found.insert(known, value);
    }

    let package = found.get("package").ok_or_else(|| {
        source.error(
            0..0,
            "the manifest has no [package]",
            Some(PACKAGE_HINT.to_owned()),
        )
    })?;
    let (name, entry) = self::package(source, package)?;
    let (imports, import_lines) = match found.get("imports") {
        Some(value) => imports(source, value)?,
        None => Default::default(),
    };
    let ceiling = match found.get("grants") {
        Some(value) => grants(source, value, "[grants]")?,
        None => Vec::new(),
    };
    let ceiling_rights = rights(source, &ceiling)?;
    let package_grants = owners(
        source,
        found.get("packages").copied(),
        "packages",
        &ceiling_rights,
    )?;
    let modules = owners(source, found.get("modules").copied(), "modules", &ceiling_rights)?;
    let mut limits = match found.get("limits") {
        Some(value) => limits::limits(source, value)?,
        None => Limits::default(),
    };
    let of_packages = found.get("packages").copied();
    limits.packages = limits::of_packages(source, of_packages)?;
    let kv = found.get("kv").map(|value| kv::kv(source, value));
    let policy = found.get("trust");
    let policy = policy.map(|value| trust::trust(source, value, "[trust]"));
    let package_trust = trust::of_packages(source, found.get("packages").copied())?;
    Ok(Manifest {
        trust: policy.transpose()?,
        package_trust,
        families: source.families.clone(),
        name,
        entry,
        imports,
        import_lines,
        grants: lines(&ceiling),
        packages: package_grants,
        isolated: packages::isolated(source, of_packages)?,
        modules,
        limits,
        kv: kv.transpose()?,
    })
}

const PACKAGE_HINT: &str = "start with\n[package]\nname  = \"my-program\"\nentry = \"main.js\"";

fn package(source: &Source<'_>, value: &Value<'_>) -> Result<(String, String), ManifestError> {
    let (mut name, mut entry) = (None, None);
    for (key, value) in source.table(value, "[package]")? {
        match key.get_ref().as_ref() {
            "name" => {
                let text = source.string(value, "package.name")?;
                let fits = |character: char| character.is_ascii_alphanumeric() || "-_.@/".contains(character);
                if text.is_empty() || text.len() > 214 || !text.chars().all(fits) {
                    let hint = "letters, digits, - _ . @ / and at most 214 characters".to_owned();
                    return Err(source.error(value.span(), "this is not a name for a package", hint));
                }
                name = Some(text.to_owned());
            }
            "entry" => {
                let text = source.string(value, "package.entry")?;
                if text.is_empty() || text.starts_with('/') || text.contains('\0') {
                    let hint = "a path relative to the manifest's folder, such as \"main.js\"".to_owned();
                    return Err(source.error(value.span(), "this is not a path of an entry module", hint));
                }
                entry = Some(text.to_owned());
            }
            _ => return Err(source.unknown(key, &["name", "entry"], "[package]")),
        }
    }
    let missing = |what: &str| {
        source.error(
            value.span(),
            format!("[package] has no {what}"),
            Some(PACKAGE_HINT.to_owned()),
        )
    };
    Ok((
        name.ok_or_else(|| missing("name"))?,
        entry.ok_or_else(|| missing("entry"))?,
    ))
}

/// The entries of `[imports]`, and the line number of each.
type Imports = (BTreeMap<String, String>, BTreeMap<String, usize>);

fn imports(source: &Source<'_>, value: &Value<'_>) -> Result<Imports, ManifestError> {
    let (mut imports, mut lines) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in source.table(value, "[imports]")? {
        let specifier = key.get_ref().as_ref();
        let target = source.string(value, "an import's target")?;
        let bare = !specifier.starts_with(['.', '/']) && !specifier.contains(':') && !specifier.is_empty();
        if !bare {
            let hint = "a bare name (\"marked\") or one that starts with # (\"#lib/\")".to_owned();
            return Err(source.error(key.span(), format!("{specifier:?} cannot be mapped"), hint));
        }
        let relative = target.starts_with("./") || target.starts_with("../");
        if !relative && !target.starts_with("npm:") {
            let hint = "\"npm:NAME@VERSION\" for a package in node_modules, or a path that starts with ./"
                .to_owned();
            return Err(source.error(
                value.span(),
                format!("{target:?} is not a target of an import"),
                hint,
            ));
        }
        imports.insert(specifier.to_owned(), target.to_owned());
        lines.insert(specifier.to_owned(), line_of(source.text, key.span().start));
    }
    Ok((imports, lines))
}

/// Parses `[packages.NAME] grants = { … }` or `[modules."./x.js"] grants = { … }`. The rights of the program must cover
/// each grant.
fn owners(
    source: &Source<'_>,
    value: Option<&Value<'_>>,
    kind: &str,
    ceiling: &Rights,
) -> Result<BTreeMap<String, Vec<String>>, ManifestError> {
    let mut owners = BTreeMap::new();
    let Some(value) = value else { return Ok(owners) };
    for (name, value) in source.table(value, &format!("[{kind}]"))? {
        let within = format!("[{kind}.{:?}]", name.get_ref());
        if kind == "modules" && !name.get_ref().starts_with("./") {
            let hint = format!(
                "a module is named by its path from the manifest: \"./{}\"",
                name.get_ref()
            );
            return Err(source.error(
                name.span(),
                format!("{:?} does not name a module", name.get_ref()),
                hint,
            ));
        }
        let mut held = Vec::new();
        for (key, value) in source.table(value, &within)? {
            match key.get_ref().as_ref() {
                "grants" => held = grants(source, value, &within)?,
                "trust" | "isolate" | "limits" if kind == "packages" => {} // Parsed separately.
                // Earlier versions had this key.
                "globals" if kind == "packages" => {
                    let hint = "remove the line: all modules find `fetch` and the other names, each with its own rights";
                    let message = format!("unknown key \"globals\" in {within}");
                    return Err(source.error(key.span(), message, hint.to_owned()));
                }
                _ if kind == "packages" => {
                    let known = ["grants", "isolate", "limits", "trust"];
                    return Err(source.unknown(key, &known, &within));
                }
                _ => return Err(source.unknown(key, &["grants"], &within)),
            }
        }
        for grant in &held {
            let own = Rights::new(grant.rights.iter().cloned()).map_err(|error| {
                source
                    .error(grant.place.clone(), error.to_string(), None)
                    .caused_by(error)
            })?;
            if !ceiling.covers(&own) {
                let hint =
                    "add it to [grants], or grant less here: no module has more rights than the program";
                return Err(source.error(
                    grant.place.clone(),
                    format!("[grants] does not allow `{}`", grant.line),
                    Some(hint.to_owned()),
                ));
            }
        }
        owners.insert(name.get_ref().to_string(), lines(&held));
    }
    Ok(owners)
}

/// Parses grants, for example `fs.read = ["…"]`, `clock = "1ms"` or `random = true`.
fn grants(source: &Source<'_>, value: &Value<'_>, within: &str) -> Result<Vec<Grant>, ManifestError> {
    let mut all = Vec::new();
    for (family, value) in source.table(value, within)? {
        match value.get_ref() {
            DeValue::Table(actions) => {
                for (action, value) in actions {
                    scopes(source, family, Some(action), value, &mut all)?;
                }
            }
            _ => scopes(source, family, None, value, &mut all)?,
        }
    }
    Ok(all)
}

fn scopes(
    source: &Source<'_>,
    family: &Key<'_>,
    action: Option<&Key<'_>>,
    value: &Value<'_>,
    all: &mut Vec<Grant>,
) -> Result<(), ManifestError> {
    match value.get_ref() {
        DeValue::Array(list) => {
            for value in list {
                scope(
                    source,
                    family,
                    action,
                    source.string(value, "a scope")?,
                    value.span(),
                    all,
                )?;
            }
            Ok(())
        }
        DeValue::String(text) => scope(source, family, action, text, value.span(), all),
        DeValue::Boolean(true) => scope(source, family, action, "true", value.span(), all),
        DeValue::Boolean(false) => Ok(()),
        _ => Err(source.error(
            value.span(),
            "a grant is a scope in quotes, a list of scopes, or true",
            None,
        )),
    }
}

fn scope(
    source: &Source<'_>,
    family: &Key<'_>,
    action: Option<&Key<'_>>,
    text: &str,
    place: Range<usize>,
    all: &mut Vec<Grant>,
) -> Result<(), ManifestError> {
    use secure_runtime_capabilities::ScopeError;
    let named = action.map(|action| action.get_ref().as_ref());
    let rights = source
        .families
        .program_family(family.get_ref())
        .and_then(|_| {
            source
                .families
                .parse_scope(family.get_ref(), named, text, source.base)
        })
        .map_err(|error| {
            let place = match &error {
                ScopeError::UnknownFamily { .. }
                | ScopeError::NotForPrograms { .. }
                | ScopeError::NoAction { .. } => family.span(),
                ScopeError::UnknownAction { .. } => action.map_or(family.span(), |action| action.span()),
                _ => place.clone(),
            };
            source.error(place, error.to_string(), None).caused_by(error)
        })?;
    let line = match named {
        Some(action) => format!("{}.{action}={text}", family.get_ref()),
        None => format!("{}={text}", family.get_ref()),
    };
    all.push(Grant { line, rights, place });
    Ok(())
}

fn rights(source: &Source<'_>, grants: &[Grant]) -> Result<Rights, ManifestError> {
    Rights::new(grants.iter().flat_map(|grant| grant.rights.iter().cloned()))
        .map_err(|error| source.error(0..0, error.to_string(), None).caused_by(error))
}

fn lines(grants: &[Grant]) -> Vec<String> {
    let sorted: BTreeSet<&String> = grants.iter().map(|grant| &grant.line).collect();
    sorted.into_iter().cloned().collect()
}
