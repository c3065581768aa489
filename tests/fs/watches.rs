//! `fs.watch`.

use super::{DATA, expect};
use crate::support::Scene;

/// Returns the program's call: it watches a path, acts, and returns the first change that satisfies a condition.
fn changed(path: &str, act: &str, until: &str) -> String {
    format!(
        "(async () => {{ const watch = await fs.watch('{path}'); {act}; for await (const {{ kind, paths: [path] }} of watch) if ({until}) return [kind, path]; return 'ended'; }})()"
    )
}

fn check(scene: Scene, grants: &[&str], steps: &[(String, &str)]) {
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    expect(scene, grants, &steps);
}

/// RUN-157.
#[test]
fn changes_of_a_file_and_of_a_folder_are_reported() {
    let scene = Scene::new()
        .file("data/a", "a")
        .file("data/t/u/f", "f")
        .link("data/link", "t");
    check(
        scene,
        DATA,
        &[
            (changed("data/t", "await fs.writeTextFile('data/t/new', 'x')", "true"), "[\"create\",\"data/t/new\"]"),
            (changed("data/t/", "await fs.writeTextFile('data/t/new', 'y')", "true"), "[\"modify\",\"data/t/new\"]"),
            (changed("data/t", "await fs.rename('data/t/new', 'data/t/moved')", "kind === 'create'"), "[\"create\",\"data/t/moved\"]"),
            (changed("data/t", "await fs.remove('data/t/moved')", "true"), "[\"remove\",\"data/t/moved\"]"),
            (changed("data/link", "await fs.writeTextFile('data/t/by', 'x')", "true"), "[\"create\",\"data/link/by\"]"),
            (changed("data/a", "await fs.writeTextFile('data/a', 'b')", "true"), "[\"modify\",\"data/a\"]"),
            // What is below a folder in the folder is not watched, so the next change is the one beside it.
            (changed("data/t", "await fs.writeTextFile('data/t/u/f', 'x'); await fs.writeTextFile('data/t/z', 'x')", "true"), "[\"create\",\"data/t/z\"]"),
            (changed("data/a", "await fs.remove('data/a')", "false"), "\"ended\""),
            (changed("data/none", "", "true"), "NotFound ENOENT"),
            (changed(".", "", "true"), "CapabilityError denied"),
            (
                "(async () => { const watch = await fs.watch('data'); const next = watch.next(); await watch.return(); return [await next, await watch.next()]; })()".to_owned(),
                "[{\"done\":true},{\"done\":true}]",
            ),
        ],
    );
}

/// RUN-157: entries that may not be read, a revoked capability, and a folder that was moved.
#[test]
fn a214_a_watch_shows_no_more_than_its_rights() {
    let scene = Scene::new()
        .file("data/t/a", "a")
        .file("data/m/n/f", "f")
        .file("data/w/x", "x");
    check(
        scene,
        DATA,
        &[
            (
                // Changes are in the order of names, so the other one would come first.
                "(async () => {
                   const narrow = fs.attenuate({ read: ['./data/t', './data/t/a'] });
                   const watch = await narrow.watch('data/t');
                   await fs.writeTextFile('data/t/Secret', 'x');
                   await fs.writeTextFile('data/t/a', 'x');
                   return (await watch.next()).value.paths;
                 })()"
                    .to_owned(),
                "[\"data/t/a\"]",
            ),
            (
                "(async () => {
                   const { capability, revoke } = fs.revocable();
                   const watch = await capability.watch('data/w');
                   const next = watch.next();
                   revoke();
                   await fs.writeTextFile('data/w/x', 'y');
                   return await next;
                 })()"
                    .to_owned(),
                "CapabilityError revoked",
            ),
            // A link that then leads elsewhere, and a folder that was moved: the path has its rights, and shows what is
            // there.
            (
                "(async () => {
                   const watch = await fs.watch('data/m/n');
                   await fs.rename('data/m', 'data/elsewhere');
                   await fs.writeTextFile('data/elsewhere/n/g', 'y');
                   return [(await watch.next()).value, await watch.next()];
                 })()"
                    .to_owned(),
                "[{\"kind\":\"remove\",\"paths\":[\"data/m/n\"]},{\"done\":true}]",
            ),
            // A rename elsewhere changes nothing.
            (
                "(async () => {
                   const watch = await fs.watch('data/w');
                   await fs.rename('data/t/a', 'data/t/b');
                   await fs.writeTextFile('data/w/x', 'z');
                   return (await watch.next()).value;
                 })()"
                    .to_owned(),
                "{\"kind\":\"modify\",\"paths\":[\"data/w/x\"]}",
            ),
        ],
    );
}
