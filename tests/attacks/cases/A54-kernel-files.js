/*---
# RUN-21
id = "A54"
title = "a grant of everything excludes the kernel's files and devices"
boundary = "program"
elsewhere = { node = "a grant of everything includes the kernel's files there", ses = "files and network come from the embedder of SES" }
grants = ["fs.read=/**", "fs.write=/**"]
control_grants = ["fs.read=/**", "fs.read=/proc/self/status"]
expect = "nothing"
audit = [
  "allowed fs read /proc/self/environ", "denied fs read /proc/self/environ",
  "allowed fs read /proc/self/mem", "denied fs read /proc/self/mem",
  "allowed fs read /proc/self/root/etc/passwd", "denied fs read /proc/self/root/etc/passwd",
  "allowed fs read /proc/self/fd/0", "denied fs read /proc/self/fd/0",
  "allowed fs read /proc/self/cwd", "denied fs read /proc/self/cwd",
  "allowed fs read /sys/kernel", "denied fs read /sys/kernel",
  "allowed fs read /dev/fd/0", "denied fs read /dev/fd/0",
  "allowed fs read /dev/stdin", "denied fs read /dev/stdin",
  "allowed fs read /dev/ptmx", "denied fs read /dev/ptmx",
  "allowed fs write /proc/self/mem", "denied fs write /proc/self/mem",
  "allowed fs read ${base}/data/proc/environ",
]
[links]
"data/proc" = "/proc/self"
---*/
import { fs } from "cap:self";

const reads = [
  "/proc/self/environ", "/proc/self/mem", "/proc/self/root/etc/passwd", "/proc/self/fd/0", "/proc/self/cwd", "/sys/kernel",
  "/dev/fd/0", "/dev/stdin", "/dev/ptmx",
];

export async function attack({ denied, refuses }) {
  let gained = "";
  for (const path of reads) gained += await denied(path, () => fs.readTextFile(path));
  for (const path of ["/proc/self/mem"]) gained += await denied(path, () => fs.writeTextFile(path, ""));
  for (const path of ["data/proc/environ"]) {
    gained += await refuses(path, "PermissionDenied", () => fs.readTextFile(path));
  }
  return gained;
}

export async function control() {
  return (await fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
