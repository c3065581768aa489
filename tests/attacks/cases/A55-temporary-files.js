/*---
id = "A55"
title = "the path of a temporary file is decided as created, with its prefix and suffix"
boundary = "program"
elsewhere = "the adapters of other systems make no temporary files"
grants = ["fs.write=./data/**"]
expect = "nothing"
audit = [
  "denied fs write ${base}/x", "denied fs write ${base}/y", "denied fs write ${base}/x", "denied fs write ${base}/data2/x",
  "allowed fs write ${base}/data/a.txt", "denied fs write ${base}/x",
]
---*/
import { fs } from "cap:self";

export async function attack({ denied }) {
  let gained = "";
  for (const make of [fs.makeTempFile, fs.makeTempDir]) {
    const refused = async (options) => {
      try {
        return `made ${await make.call(fs, options)}; `;
      } catch (error) {
        return error instanceof TypeError ? "" : `${error}; `;
      }
    };
    // A prefix or suffix is part of a name, and a folder is not left out.
    for (const part of ["../x", "/", "a/../../../y", "a\0"]) gained += (await refused({ dir: "data", prefix: part })) + (await refused({ dir: "data", suffix: part }));
    gained += await refused({});
  }
  gained += await denied("prefix", () => fs.writeTextFile("data/../x", "x"));
  gained += await denied("suffix", () => fs.writeTextFile("data/name/../../y", "x"));
  gained += await denied("folder", () => fs.mkdir("data/../x/", { recursive: true }));
  gained += await denied("run together", () => fs.writeTextFile(`${"data"}2/x`, "x"));
  return gained + (await denied("moved", () => fs.rename("data/a.txt", "data/../x")));
}

export async function control() {
  await fs.mkdir("data/x/y", { recursive: true });
  await fs.writeTextFile("data/x/y/z.txt", "x");
  const [file, folder] = [await fs.makeTempFile({ dir: "data", prefix: "a-", suffix: ".txt" }), await fs.makeTempDir({ dir: "data" })];
  await fs.writeTextFile(`${folder}/x`, "x");
  return file.startsWith("data/a-") && file.endsWith(".txt") && folder.startsWith("data/");
}
//// data/a.txt
public
