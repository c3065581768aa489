//! Files that change while they are used.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::DATA;
use crate::support::{Scene, manifest};

#[test]
fn a_folder_that_is_swapped_for_a_link_while_it_is_read_never_shows_foreign_bytes() {
    let scene = Scene::new()
        .file("secure.toml", manifest(DATA, ""))
        .file("data/folder/a.txt", "public")
        .file("outside/a.txt", "secret")
        .file("data/count", "")
        .file(
            "main.js",
            "import { fs } from 'cap:self';
            const seen = { public: 0, refused: 0 };
            for (let turn = 0; turn < 20000 && (seen.public < 200 || seen.refused < 200); turn++) {
              for (const path of ['data/folder/a.txt', 'data/other/a.txt']) {
                try {
                  const text = await fs.readTextFile(path);
                  seen[text] = (seen[text] ?? 0) + 1;
                } catch (error) {
                  seen.refused++;
                }
                try {
                  await fs.writeTextFile(path, 'public');
                } catch {}
              }
            }
            console.log(Object.keys(seen).sort().join(' '), seen.public > 0, seen.refused > 0);",
        );
    symlink(scene.base().join("outside"), scene.base().join("data/other")).unwrap();
    let ended = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (scene.base().join("data/folder"), scene.base().join("data/other"));
            while !ended.load(Ordering::SeqCst) {
                exchange(&one, &other);
                std::thread::yield_now();
            }
        });
        let ran = scene.run(&[]);
        ended.store(true, Ordering::SeqCst);
        ran
    });
    assert_eq!(ran.completed().out, "public refused true true\n");
    assert_eq!(scene.read("outside/a.txt"), "secret");
}

fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

#[test]
fn a_race_of_renames_does_not_move_a_link_to_where_it_is_read() {
    // Each rename alone is harmless when it is decided. In the other order, they would place a link to a folder above a
    // readable scope.
    let scene = Scene::of_main(
        &["fs.write=./data/**", "fs.read=./data/shown/deep/**"],
        "import { fs } from 'cap:self';
        let gained = 0, refused = 0;
        for (let turn = 0; turn < 200; turn++) {
          await fs.writeTextFile('data/x', 'plain');
          const all = await Promise.allSettled([fs.rename('data/x', 'data/shown'), fs.rename('data/link', 'data/x')]);
          refused += all.filter(({ reason }) => reason?.name === 'CapabilityError').length;
          try {
            await fs.readTextFile('data/shown/deep/a.txt');
            gained++;
          } catch {}
          for (const from of ['data/shown', 'data/x']) await fs.rename(from, 'data/link').catch(() => {});
        }
        console.log(gained, refused);",
    )
    .file("data/secret/deep/a.txt", "secret")
    .link("data/link", "secret");
    assert_eq!(scene.run(&[]).completed().out, "0 200\n");
}

/// RUN-24
#[test]
fn a_rename_between_finding_a_folder_and_opening_a_file_shows_nothing() {
    // The program moves a package's folder away, puts a secret into it, and moves it back without the secret. The
    // package reads meanwhile.
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(
                &["fs.read=./w/**", "fs.write=./w/**"],
                "[imports]\nreader = \"npm:reader@1.0.0\"\n[packages.reader]\ngrants = { fs.read = [\"./w/out/**\"] }\nisolate = true\n",
            ),
        )
        .file(
            "node_modules/reader/package.json",
            r#"{"name":"reader","version":"1.0.0","type":"module","exports":"./index.js"}"#,
        )
        .file(
            "node_modules/reader/index.js",
            "import { fs } from 'cap:self';
            export const read = async () => {
              const seen = {};
              for (let turn = 0; turn < 100; turn++) {
                for (const call of [() => fs.readTextFile('w/out/a.txt'), async () => {
                  const names = [];
                  for await (const { name } of fs.readDir('w/out')) names.push(name);
                  return names.join(' ');
                }]) {
                  const text = await call().catch((error) => error.name);
                  seen[text] = (seen[text] ?? 0) + 1;
                }
              }
              return Object.keys(seen);
            };",
        )
        .file("w/out/b.txt", "public")
        .file("w/secret", "secret")
        .file(
            "main.js",
            "import { fs } from 'cap:self';
            import { read } from 'reader';
            const seen = new Set();
            let moves = 0;
            while (moves < 100 || !seen.has('NotFound')) {
              let ended = false;
              const reading = read().then((texts) => { ended = true; texts.forEach((text) => seen.add(text)); });
              while (!ended) {
                moves++;
                await fs.rename('w/out', 'w/away');
                await fs.rename('w/secret', 'w/away/a.txt');
                await fs.rename('w/away/a.txt', 'w/secret');
                await fs.rename('w/away', 'w/out');
              }
              await reading;
            }
            console.log([...seen].sort().join());",
        );
    assert_eq!(scene.run(&[]).completed().out, "NotFound,b.txt\n");
}
