/*---
id = "A03"
title = "a sourceURL comment does not give a module the identity of another"
boundary = "modules"
app_grants = ["fs.read=./data/**"]
control_grants = ["fs.read=./data/**"]
expect = "denied"
audit = ["denied fs read ${base}/data/a.txt"]
---*/
export async function attack() {
  const { fs } = await import("cap:self");
  return await fs.readTextFile("data/a.txt");
}

export async function control() {
  return (await attack()).trim() === "public";
}
//# sourceURL=app:/main.js
//// data/a.txt
public
