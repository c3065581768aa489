/*---
# RUN-11
id = "A48"
title = "all refusals look the same: for a file, a folder, a link, a device, a missing one, or one that the process may not read"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/file", "denied fs read ${base}/folder", "denied fs read ${base}/folder/x", "denied fs read ${base}/link",
  "denied fs read ${base}/broken", "denied fs read ${base}/none", "denied fs read ${base}/file/x", "denied fs read /dev/null",
  "denied fs read /root", "denied fs read /proc/1/environ",
  "denied fs write ${base}/file", "denied fs write ${base}/folder", "denied fs write ${base}/folder/x", "denied fs write ${base}/link",
  "denied fs write ${base}/broken", "denied fs write ${base}/none", "denied fs write ${base}/file/x", "denied fs write /dev/null",
  "denied fs write /root", "denied fs write /proc/1/environ",
]
[links]
"link" = "data/a.txt"
"broken" = "nowhere"
---*/
import { fs } from "cap:self";

const paths = ["file", "folder", "folder/x", "link", "broken", "none", "file/x", "/dev/null", "/root", "/proc/1/environ"];
const ways = { read: (path) => fs.readTextFile(path), write: (path) => fs.writeTextFile(path, "x") };

const shapeOf = async (call, path) => {
  try {
    await call(path);
    return "it went through";
  } catch (error) {
    const keys = Reflect.ownKeys(error).filter((key) => key !== "stack").map(String).sort();
    return [error.name, error.code, error.message.replaceAll(path, "PATH"), ...keys].join(" ");
  }
};

export async function attack() {
  let gained = "";
  for (const [name, call] of Object.entries(ways)) {
    const shapes = new Map();
    for (const path of paths) shapes.set(await shapeOf(call, path), path);
    if (shapes.size !== 1) gained += `${name}: ${[...shapes].join(" / ")}; `;
    if (shapes.has("it went through")) gained += `${name} went through; `;
  }
  return gained;
}

export async function control() {
  const shapes = new Set();
  for (const path of ["data/a.txt", "data/none", "data"]) shapes.add(await shapeOf(ways.read, path));
  return shapes.size === 3;
}
//// data/a.txt
public
//// file
secret
//// folder/x
secret
