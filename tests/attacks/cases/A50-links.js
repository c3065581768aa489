/*---
id = "A50"
title = "a link inside the grant does not lead out of it, for any operation"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
unclaimed = { deno = "its documentation says that the location of a link decides", node = "its documentation says that links are followed out of the granted folders" }
grants = ["fs.read=./data/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/etc/passwd", "allowed fs read ${base}/data/etc/passwd", "allowed fs read ${base}/data/etc",
  "allowed fs read ${base}/data/secret", "allowed fs read ${base}/data/secret", "allowed fs write ${base}/data/secret",
  "allowed fs write ${base}/data/secret", "allowed fs read ${base}/data/up/secret.txt", "allowed fs write ${base}/data/up/new.txt",
  "allowed fs write ${base}/data/up/folder", "allowed fs write ${base}/data/dangling", "allowed fs write ${base}/data/up/secret.txt",
  "allowed fs write ${base}/data/a.txt", "allowed fs write ${base}/data/up/a.txt",
]
[links]
"data/etc" = "/etc"
"data/secret" = "../secret.txt"
"data/up" = ".."
"data/dangling" = "../made-by-a-link.txt"
"data/inside" = "a.txt"
---*/
import { fs } from "cap:self";

const ways = {
  "read through": () => fs.readTextFile("data/etc/passwd"),
  "stat through": () => fs.stat("data/etc/passwd"),
  "list": () => fs.readDir("data/etc").next(),
  "read": () => fs.readTextFile("data/secret"),
  "open": () => fs.open("data/secret"),
  "write": () => fs.writeTextFile("data/secret", "overwritten"),
  "append": () => fs.writeTextFile("data/secret", "overwritten", { append: true }),
  "read above": () => fs.readTextFile("data/up/secret.txt"),
  "write above": () => fs.writeTextFile("data/up/new.txt", "x"),
  "mkdir above": () => fs.mkdir("data/up/folder"),
  "create by a dangling link": () => fs.writeTextFile("data/dangling", "x"),
  "remove above": () => fs.remove("data/up/secret.txt"),
  "rename above": () => fs.rename("data/a.txt", "data/up/a.txt"),
};

export async function attack({ refuses }) {
  let gained = "";
  for (const [name, call] of Object.entries(ways)) gained += await refuses(name, "PermissionDenied", call);
  return gained;
}

// A link that stays inside works, and a link itself can be removed.
export async function control() {
  const text = await fs.readTextFile("data/inside");
  await fs.remove("data/etc");
  return text.trim() === "public";
}
//// data/a.txt
public
//// secret.txt
secret
