/*---
id = "A52b"
title = "a capability that was narrowed to one folder does not follow links to another"
boundary = "modules"
elsewhere = "there is nothing to narrow or revoke; under SES, the embedder provides it"
grants = ["fs.read=./one/**"]
expect = "nothing"
audit = ["allowed fs read ${base}/one/narrow/sibling"]
[links]
"one/narrow/sibling" = "../other.txt"
---*/
import { fs } from "cap:self";

export async function attack({ refuses }) {
  const narrow = fs.attenuate({ read: ["./one/narrow/**"] });
  return await refuses("sibling of a narrowed one", "PermissionDenied", () => narrow.readTextFile("one/narrow/sibling"));
}

export async function control() {
  return (await fs.readTextFile("one/narrow/sibling")).trim() === "of the wider grant";
}
//// one/other.txt
of the wider grant
//// one/narrow/x.txt
x
