//! Extensions that are rejected before a program runs.

use std::sync::Arc;

use secure_runtime::capabilities::{
    Action, ActionName, Base, Family, FamilyName, Pattern, Problem, describe_pattern,
};
use secure_runtime::extension::{AnyExtension, Extension, ExtensionError, Methods, Script};

use super::counter::action;
use crate::support::Scene;

/// An extension with a given name, script and actions, which only its registration uses.
struct Named(&'static str, Script, &'static [&'static str]);

struct NamedFamily(FamilyName, [Action; 1]);

impl Family for NamedFamily {
    fn name(&self) -> FamilyName {
        self.0
    }

    fn actions(&self) -> &[Action] {
        &self.1
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![Pattern::exact(text)])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(text.to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

impl Extension for Named {
    type Program = ();
    type Isolate = ();
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        let read = Action {
            name: action("read"),
            summary: "",
        };
        Arc::new(NamedFamily(self.0.parse().unwrap(), [read]))
    }

    fn script(&self) -> Script {
        self.1
    }

    fn types(&self) -> &'static str {
        ""
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        for (at, method) in self.2.iter().enumerate() {
            let decided = action(if *method == "write" { "write" } else { "read" });
            let name: &'static str = ["first", "second", "second"][at];
            methods.on_argument(decided).sync(name, |_, _| Ok(()));
        }
    }
}

/// RUN-99: an extension that could not be told apart from another one, or that names what does not exist, is rejected
/// before a program runs.
#[test]
fn extensions_that_contradict_themselves_are_rejected() {
    let named = |family, name, methods| -> AnyExtension {
        let source = "({ Capability }) => ({ capability: class extends Capability {} })";
        Named(family, Script { name, source }, methods).into()
    };
    let rejected = |extensions: &[AnyExtension]| secure_runtime::operations(extensions).unwrap_err();
    assert!(matches!(
        rejected(&[named("fs", "ext:fs/a.js", &[])]),
        ExtensionError::Duplicate { .. }
    ));
    for word in ["seal", "import", "await", "enum"] {
        let script: &'static str = Box::leak(format!("ext:{word}/a.js").into_boxed_str());
        assert!(
            matches!(
                rejected(&[named(word, script, &[])]),
                ExtensionError::Reserved { .. }
            ),
            "{word}"
        );
    }
    assert!(matches!(
        rejected(&[named("sql", "ext:secure_runtime/lockdown.js", &[])]),
        ExtensionError::Script { .. }
    ));
    for (methods, reason) in [
        (&["read", "write"][..], "an action that the family does not have"),
        (&["read", "read", "read"], "declared twice"),
    ] {
        let error = rejected(&[named("sql", "ext:sql/a.js", methods)]).to_string();
        assert!(error.contains(reason), "{error}");
    }
    let operations = secure_runtime::operations(&[named("sql", "ext:sql/a.js", &["read"])]).unwrap();
    let names: Vec<&str> = operations
        .iter()
        .map(|row| row.name.as_str())
        .filter(|name| name.contains("sql"))
        .collect();
    assert_eq!(
        names,
        ["sql.first", "sql.attenuate", "sql.revocable", "seal(sql)"]
    );
    // A script that returns no class, or throws, prevents every run, and the error names the script.
    for (source, reason) in [
        ("({}) => ({})", "must return { capability }"),
        ("() => { throw new Error('broken script') }", "broken script"),
        ("() => (", "SyntaxError"),
    ] {
        let extension = Named(
            "sql",
            Script {
                name: "ext:sql/sql.js",
                source,
            },
            &[],
        );
        let error = Scene::of_main(&[], "")
            .extension(extension)
            .run(&[])
            .exit
            .unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
