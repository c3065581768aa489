/*---
# RUN-22
id = "A51"
title = "moving files and links does not redirect a granted path"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
unclaimed = { deno = "its documentation says that the location of a link decides", node = "its documentation says that links are followed out of the granted folders" }
grants = ["fs.read=./data/open/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "allowed fs write ${base}/data/open/out", "allowed fs write ${base}/data/open/moved",
  "allowed fs read ${base}/data/open/moved/secret.txt", "allowed fs write ${base}/data/open/moved", "denied fs write ${base}/outside",
  "denied fs write ${base}/outside", "denied fs write ${base}",
  "allowed fs write ${base}/data/hidden", "allowed fs write ${base}/data/open/hidden", "denied fs write ${base}/data/open/hidden",
  "allowed fs write ${base}/data/hidden/a.txt", "allowed fs write ${base}/data/open/b.txt", "denied fs write ${base}/data/open/b.txt",
  "allowed fs write ${base}/data/hidden", "allowed fs write ${base}/data/open", "denied fs write ${base}/data/open",
  "allowed fs write ${base}/data/hidden", "allowed fs write ${base}/data/open", "denied fs write ${base}/data/open",
]
[links]
"data/open/out" = "../../outside"
---*/
import { fs } from "cap:self";

const makers = ["symlinkSync", "linkSync", "realPath", "chown", "umask", "mkfifo", "mount", "chdir", "mkdtemp"];

export async function attack({ denied, refuses }) {
  let gained = "";
  for (const name of makers) if (name in fs) gained += `fs.${name}; `;
  // A link that is there already is moved as a link, and leads nowhere under its new name either.
  try {
    await fs.rename("data/open/out", "data/open/moved");
  } catch (error) {
    gained += `a link cannot be moved: ${error}; `;
  }
  gained += await refuses("through it", "PermissionDenied", () => fs.readTextFile("data/open/moved/secret.txt"));
  gained += await denied("out of the grant", () => fs.rename("data/open/moved", "outside"));
  gained += await denied("with a slash", () => fs.writeTextFile("outside/", "x"));
  gained += await denied("the folder itself", () => fs.remove("data/..", { recursive: true }));
  // What may be written and not read does not come to be where it may be read, nor is a readable folder put elsewhere.
  for (const [from, to] of [
    ["data/hidden", "data/open/hidden"], ["data/hidden/a.txt", "data/open/b.txt"], ["data/hidden", "data/open"], ["data/hidden", "data/open/"],
  ]) gained += await denied(`${from} to ${to}`, () => fs.rename(from, to));
  return gained;
}

export async function control() {
  await fs.rename("data/open/a.txt", "data/open/b.txt");
  return (await fs.readTextFile("data/open/b.txt")).trim() === "public";
}
//// data/open/a.txt
public
//// data/hidden/a.txt
secret
//// outside/secret.txt
secret
