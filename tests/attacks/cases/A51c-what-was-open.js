/*---
# RUN-24
id = "A51c"
title = "folders and files that were opened before a rename do not reveal what is now at their paths"
boundary = "modules"
elsewhere = "one module's rights are all modules' rights"
grants = ["fs.read=./w/out/**", "fs.write=./w/out/**"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/w/out/a.txt by suspect/index.js",
  "allowed fs read ${base}/w/out/sub/b.txt by suspect/index.js",
  "allowed fs read ${base}/w/out/a.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/a.txt by suspect/index.js",
  "allowed fs read ${base}/w/out/moved.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/moved.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/moved.txt by a/index.js",
  "allowed fs write ${base}/w/moved.txt by a/index.js",
  "allowed fs write ${base}/w/moved.txt by a/index.js",
  "allowed fs write ${base}/w/out by a/index.js",
  "allowed fs write ${base}/w/approved by a/index.js",
  "allowed fs write ${base}/w/approved/a.txt by a/index.js",
  "allowed fs write ${base}/w/approved/key.txt by a/index.js",
  "allowed fs write ${base}/w/approved/sub/b.txt by a/index.js",
  "allowed fs read ${base}/w/out/key.txt by suspect/index.js",
  "allowed fs read ${base}/w/out/key.txt by suspect/index.js",
  "allowed fs read ${base}/w/out by suspect/index.js",
  "allowed fs read ${base}/w/out/sub/b.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/key.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/sub/b.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/key.txt by suspect/index.js",
  "allowed fs read ${base}/w/out/a.txt by suspect/index.js",
  "allowed fs read ${base}/w/out/moved.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/moved.txt by suspect/index.js",
  "allowed fs write ${base}/w/out/a.txt by suspect/index.js",
  "allowed fs write ${base}/w/out by a/index.js",
  "allowed fs write ${base}/w/out/new.txt by a/index.js",
  "allowed fs read ${base}/w/out/new.txt by suspect/index.js",
  "allowed fs read ${base}/w/out/a.txt by suspect/index.js",
  "allowed fs read ${base}/w/approved/a.txt by a/index.js",
  "allowed fs read ${base}/w/approved/key.txt by a/index.js",
  "allowed fs read ${base}/w/approved/sub/b.txt by a/index.js",
  "allowed fs read ${base}/w/moved.txt by a/index.js",
]
[a]
grants = ["fs.read=./w/**", "fs.write=./w/**"]
---*/
import { fs } from "cap:self";

const narrow = fs.attenuate({ read: ["./w/out/sub/**"], write: ["./w/out/sub/**"] });

export async function attack({ a, refuses }) {
  // What the kernel knows by a handle, before it is moved.
  await fs.readTextFile("w/out/a.txt");
  await narrow.readTextFile("w/out/sub/b.txt");
  const file = await fs.open("w/out/a.txt", { read: true, write: true });
  const moved = await fs.open("w/out/moved.txt", { read: true, write: true });
  await a.move("w/out/moved.txt", "w/moved.txt");
  await a.write("w/moved.txt", "secret");
  await a.move("w/out", "w/approved");
  await a.write("w/approved/a.txt", "secret");
  await a.write("w/approved/key.txt", "secret");
  await a.write("w/approved/sub/b.txt", "secret");

  let gained = "";
  const buffer = new Uint8Array(16);
  const bytes = new TextEncoder().encode("forged");
  gained += await refuses("reading below the folder", "NotFound", () => fs.readTextFile("w/out/key.txt"));
  gained += await refuses("its metadata", "NotFound", () => fs.stat("w/out/key.txt"));
  gained += await refuses("listing it", "NotFound", () => fs.readDir("w/out").next());
  gained += await refuses("reading below a narrowed folder", "NotFound", () => narrow.readTextFile("w/out/sub/b.txt"));
  gained += await refuses("writing below the folder", "NotFound", () => fs.writeTextFile("w/out/key.txt", "forged"));
  gained += await refuses("writing below a narrowed folder", "NotFound", () => narrow.writeTextFile("w/out/sub/b.txt", "forged"));
  gained += await refuses("removing", "NotFound", () => fs.remove("w/out/key.txt"));
  gained += await refuses("an open file in a folder that was moved", "PermissionDenied", () => file.read(buffer));
  gained += await refuses("an open file that was moved", "PermissionDenied", () => moved.read(buffer));
  gained += await refuses("writing to it", "PermissionDenied", () => moved.write(bytes));
  gained += await refuses("writing to the other", "PermissionDenied", () => file.write(bytes));
  // Another folder under the same name is the scope's.
  await a.folder("w/out");
  await a.write("w/out/new.txt", "public");
  if ((await fs.readTextFile("w/out/new.txt")) !== "public") gained += "the folder that is there now is not read; ";
  gained += await refuses("what was open", "PermissionDenied", () => file.read(buffer));
  for (const path of ["w/approved/a.txt", "w/approved/key.txt", "w/approved/sub/b.txt", "w/moved.txt"]) {
    if ((await a.read(path)) !== "secret") gained += `${path} was written; `;
  }
  return gained;
}

export async function control({ a }) {
  const buffer = new Uint8Array(16);
  const seen = async (file) => new TextDecoder().decode(buffer.subarray(0, (await file.read(buffer)) ?? 0)).trim();
  // Renames of other files change nothing. A file that was removed, replaced or moved back is the same as before.
  const [file, removed, replaced] = [await fs.open("w/out/a.txt"), await fs.open("w/out/moved.txt"), await fs.open("w/out/sub/b.txt")];
  await a.move("w/other.txt", "w/another.txt");
  await fs.remove("w/out/moved.txt");
  await fs.writeTextFile("w/out/new.txt", "new");
  await fs.rename("w/out/new.txt", "w/out/sub/b.txt");
  await a.move("w/out", "w/away");
  await a.move("w/away", "w/out");
  return (await seen(file)) === "public" && (await seen(removed)) === "moved" && (await seen(replaced)) === "below" &&
    (await fs.readTextFile("w/out/sub/b.txt")) === "new";
}
//// a/index.js
import { fs } from "cap:self";
export const move = (from, to) => fs.rename(from, to);
export const read = (path) => fs.readTextFile(path);
export const write = (path, text) => fs.writeTextFile(path, text);
export const folder = (path) => fs.mkdir(path);
//// w/out/a.txt
public
//// w/out/moved.txt
moved
//// w/out/sub/b.txt
below
//// w/other.txt
other
