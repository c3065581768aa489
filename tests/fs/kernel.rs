//! Kernel and device trees, which a broad grant does not include.

use crate::support::Scene;

/// Every method that takes a path, as calls on a path of the kernel.
const CALLS: [&str; 25] = [
    "fs.readTextFile(path)",
    "fs.readFile(path)",
    "fs.readDir(path).next()",
    "fs.stat(path)",
    "fs.open(path)",
    "fs.open(path, { read: true, write: true })",
    "fs.open(path, { write: true })",
    "fs.writeTextFile(path, '')",
    "fs.writeFile(path, new Uint8Array())",
    "fs.mkdir(path)",
    "fs.mkdir(path, { recursive: true })",
    "fs.remove(path)",
    "fs.rename(path, 'moved')",
    "fs.rename('data', path)",
    "fs.lstat(path)",
    "fs.copyFile(path, 'copied')",
    "fs.copyFile('data/a.txt', path)",
    "fs.symlink('target', path)",
    "fs.readLink(path)",
    "fs.link(path, 'linked')",
    "fs.walk(path).next()",
    "fs.makeTempFile({ dir: path })",
    "fs.truncate(path)",
    "fs.chmod(path, 0o600)",
    "fs.utime(path, 0, 0)",
];

/// Returns the error of each call, under these grants.
fn errors(grants: &[&str], path: &str) -> Vec<String> {
    let calls = CALLS.map(|call| format!("() => {call}")).join(", ");
    let source = format!(
        "import {{ fs }} from 'cap:self';
        const path = '{path}';
        for (const call of [{calls}]) {{
          try {{ await call(); console.log('done'); }} catch (error) {{ console.log(error.name, error.message.replace(/[0-9a-f]{{20}}/, 'chance')); }}
        }}"
    );
    let scene = Scene::of_main(grants, &source).file("data/a.txt", "");
    let ran = scene.run(&[]).completed();
    ran.out.lines().map(str::to_owned).collect()
}

/// RUN-21
#[test]
fn no_method_reaches_the_kernel_by_a_broad_grant() {
    const REFUSAL: &str = "a grant of a special file system must name it";
    for path in [
        "/proc/self/no-such-file",
        "/sys/no-such-file",
        "/dev/no-such-file",
    ] {
        let refused = errors(&["fs.read=/**", "fs.write=/**"], path);
        assert_eq!(refused.len(), CALLS.len());
        for (call, error) in CALLS.iter().zip(&refused) {
            assert!(
                error.starts_with("CapabilityError ") && error.ends_with(REFUSAL),
                "{call}: {error}"
            );
        }
        // A grant that names the tree allows the operation, which then fails for another reason.
        let tree = path.rsplit_once('/').unwrap().0;
        let (reading, writing) = (format!("fs.read={tree}/**"), format!("fs.write={tree}/**"));
        let grants = [
            reading.as_str(),
            writing.as_str(),
            "fs.read=./**",
            "fs.write=./**",
        ];
        for (call, error) in CALLS.iter().zip(errors(&grants, path)) {
            assert!(!error.contains(REFUSAL), "{call}: {error}");
        }
        // Beside a scope that includes it, the scope of the tree has no effect.
        let both = ["fs.read=/**", "fs.write=/**", reading.as_str(), writing.as_str()];
        assert_eq!(errors(&both, path), refused);
    }
}
