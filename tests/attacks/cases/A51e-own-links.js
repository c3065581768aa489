/*---
id = "A51e"
title = "links and copies that a guest makes show nothing that it may not read, and lead to no other folder"
boundary = "program"
elsewhere = "the adapters of other systems make no links"
grants = ["fs.read=./data/open/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "allowed fs write ${base}/data/open/own", "allowed fs write ${base}/data/open/own", "allowed fs write ${base}/data/open/own",
  "allowed fs write ${base}/data/open/own", "allowed fs write ${base}/data/open/own", "denied fs write ${base}/outside/own",
  "allowed fs write ${base}/data/hidden/a.txt", "denied fs read ${base}/data/hidden/a.txt",
  "allowed fs write ${base}/data/open/a.txt", "allowed fs read ${base}/data/open/a.txt", "denied fs write ${base}/outside/second.txt",
  "denied fs read ${base}/data/hidden/a.txt", "allowed fs read ${base}/data/open/a.txt", "denied fs write ${base}/outside/copy.txt",
]
---*/
import { fs } from "cap:self";

export async function attack({ denied, refuses }) {
  let gained = "";
  for (const target of ["../../outside", "/etc", "x/../../../outside", "..", "../open/a.txt"]) {
    gained += await refuses(`a link to ${target}`, "TypeError", () => fs.symlink(target, "data/open/own"));
  }
  gained += await denied("a link elsewhere", () => fs.symlink("secret.txt", "outside/own"));
  // A second name shows nothing that may not be read.
  gained += await denied("a second name", () => fs.link("data/hidden/a.txt", "data/open/second.txt"));
  gained += await denied("a second name elsewhere", () => fs.link("data/open/a.txt", "outside/second.txt"));
  gained += await denied("a copy", () => fs.copyFile("data/hidden/a.txt", "data/open/copy.txt"));
  gained += await denied("a copy elsewhere", () => fs.copyFile("data/open/a.txt", "outside/copy.txt"));
  return gained;
}

export async function control() {
  await fs.symlink("a.txt", "data/open/own");
  if ((await fs.readTextFile("data/open/own")).trim() !== "public" || (await fs.readLink("data/open/own")) !== "a.txt") return false;
  await fs.link("data/open/a.txt", "data/open/second.txt");
  await fs.copyFile("data/open/second.txt", "data/open/copy.txt");
  if ((await fs.readTextFile("data/open/copy.txt")).trim() !== "public") return false;
  return true;
}
//// data/open/a.txt
public
//// data/hidden/a.txt
secret
//// outside/secret.txt
secret
