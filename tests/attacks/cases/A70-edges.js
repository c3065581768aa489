/*---
id = "A70"
title = "a dynamically imported module imports with the rights and names of its own package"
boundary = "modules"
elsewhere = { ses = "there are no JSON modules" }
expect = "nothing"
audit = ["denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt"]
control_grants = ["fs.read=./data/**"]
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ denied, refuses }) {
  let gained = "";
  const deep = await import("./deep.js");
  gained += await denied("static import below", () => deep.read());
  gained += await denied("re-exported", () => deep.borrowed.readTextFile("data/a.txt"));
  gained += await refuses("the victim's name", "TypeError", () => import(["a"].join("")));
  gained += await refuses("the victim's file", "TypeError", () => import(["../a/index.js"].join("")));
  gained += await refuses("wrong attribute", "TypeError", () => import("./deep.js", { with: { type: ["json"].join("") } }));
  return gained;
}

export async function control() {
  const deep = await import("./deep.js");
  return (await deep.read()).trim() === "public" && (await import("./x.json", { with: { type: "json" } })).default.x === 1;
}
//// suspect/deep.js
import { fs } from "./deeper.js";
export { fs as borrowed } from "cap:self";
export const read = () => fs.readTextFile("data/a.txt");
//// suspect/deeper.js
export { fs } from "cap:self";
//// suspect/x.json
{ "x": 1 }
//// a/index.js
export { fs } from "cap:self";
//// data/a.txt
public
