/*---
id = "A54b"
title = "devices are not files, and the kernel's folders are not folders, even harmless ones, by name or by link"
boundary = "program"
elsewhere = "reading and writing the null device, and listing the kernel's folders, is allowed there"
grants = ["fs.read=/**", "fs.write=/**"]
expect = "nothing"
audit = [
  "allowed fs read /dev/null", "denied fs read /dev/null", "allowed fs write /dev/null", "denied fs write /dev/null",
  "allowed fs read ${base}/data/null", "allowed fs read ${base}/data/proc", "allowed fs read /proc/self", "denied fs read /proc/self",
]
[links]
"data/null" = "/dev/null"
"data/proc" = "/proc/self"
---*/
import { fs } from "cap:self";

export async function attack({ denied, refuses }) {
  let gained = await denied("read", () => fs.readTextFile("/dev/null"));
  gained += await denied("write", () => fs.writeTextFile("/dev/null", ""));
  gained += await refuses("link", "PermissionDenied", () => fs.readTextFile("data/null"));
  gained += await refuses("link to a folder", "PermissionDenied", () => fs.readDir("data/proc").next());
  return gained + (await denied("folder", () => fs.readDir("/proc/self").next()));
}

export async function control() {
  return (await fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
