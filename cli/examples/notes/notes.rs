//! The family `notes`: short texts with names, in the memory of a program.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_runtime::capabilities::{
    Action, ActionName, Base, Family, FamilyName, Pattern, Problem, describe_pattern,
};
use secure_runtime::extension::{Each, Extension, Methods, OperationError, Script, Value};

/// Maximum length of a name and of a text, in bytes.
const MOST_NAME: usize = 100;
const MOST_TEXT: usize = 10_000;
/// Maximum number of notes of a program.
const MOST_NOTES: usize = 1_000;

/// The names of notes, and the scopes that match them. A scope is a name, or `work/*` for all names below `work/`.
struct NotesFamily;

impl Family for NotesFamily {
    fn name(&self) -> FamilyName {
        const { FamilyName::literal("notes") }
    }

    fn actions(&self) -> &[Action] {
        const ACTIONS: &[Action] = &[
            Action {
                name: ActionName::READ,
                summary: "read and list notes",
            },
            Action {
                name: ActionName::WRITE,
                summary: "create and replace notes",
            },
        ];
        ACTIONS
    }

    fn parse_scope(&self, action: ActionName, text: &str, base: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![match text.strip_suffix("/*") {
            // A prefix ends with the separator. Otherwise, `work*` would match `workshop`.
            Some(above) => Pattern::prefix(format!("{}/", self.parse_resource(action, above, base)?)),
            None => Pattern::exact(self.parse_resource(action, text, base)?),
        }])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        // Each note has exactly one canonical name, so `Work/Plan` and `work/plan` are the same note.
        let name = text.to_ascii_lowercase();
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if name.len() <= MOST_NAME && name.split('/').all(is_part) {
            return Ok(name);
        }
        let message =
            "a name has parts of letters and digits between `/`, as in `work/plan`; as a scope also `work/*`";
        Err(Problem::Other(message.to_owned()))
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let describe = |pattern: &Pattern| match pattern {
            Pattern::Affix { prefix, suffix } if suffix.is_empty() => format!("{prefix}*"),
            pattern => describe_pattern(pattern),
        };
        patterns.iter().map(describe).collect()
    }
}

/// The extension.
pub(crate) struct Notes;

/// The notes of one program. Its isolates share them.
#[derive(Default)]
pub(crate) struct Stored(Mutex<BTreeMap<String, String>>);

impl Stored {
    fn notes(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Extension for Notes {
    type Program = Stored;
    type Isolate = ();
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(NotesFamily)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:notes/notes.js",
            source: include_str!("notes.js"),
        }
    }

    fn types(&self) -> &'static str {
        r#"export interface Notes extends Capability<Notes, "read" | "write"> {
  read(name: string): string | undefined;
  write(name: string, text: string): void;
  list(): string[];
}
"#
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        // The first argument names the resource. The function runs only if the capability may read it.
        methods.on_argument(ActionName::READ).sync("read", |granted, _| {
            let isolate = granted.isolate()?;
            let found = isolate.program().notes().get(granted.resource()).cloned();
            Ok(Value::from(found))
        });
        methods
            .on_argument(ActionName::WRITE)
            .sync("write", |granted, mut arguments| {
                let text = arguments.take_text(1)?;
                let isolate = granted.isolate()?;
                let mut notes = isolate.program().notes();
                let is_new = !notes.contains_key(granted.resource());
                if text.len() > MOST_TEXT || (is_new && notes.len() == MOST_NOTES) {
                    let message = format!("there are at most {MOST_NOTES} notes of {MOST_TEXT} bytes");
                    return Err(OperationError::range_error(message));
                }
                notes.insert(granted.resource().to_owned(), text);
                Ok(())
            });
        // The result has only the names that the capability may read.
        methods
            .on_each(ActionName::READ, |asked| {
                Ok(Each {
                    // The record names `all`, because the names are not known yet.
                    operation: asked.operation(ActionName::READ, "all")?,
                    pattern: Pattern::prefix(""),
                    shown: "all".to_owned(),
                })
            })
            .sync("list", |granted, _| {
                let isolate = granted.isolate()?;
                let mut names = Vec::new();
                for name in isolate.program().notes().keys() {
                    if granted.allows(&granted.parse(ActionName::READ, name)?) {
                        names.push(Value::from(name.as_str()));
                    }
                }
                Ok(names)
            });
    }
}
