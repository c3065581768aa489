/*---
id = "A36c"
title = "a module's changes to a JSON module do not reach another package, even if the bytes are the same"
boundary = "modules"
elsewhere = { ses = "there are no JSON modules" }
expect = "nothing"
audit = []
[a]
grants = []
---*/
import settings from "./settings.json" with { type: "json" };

export async function attack({ a }) {
  settings.allowed = ["everything"];
  settings.deep.list.push("everything");
  return a.settings().includes("everything") ? "the victim's settings were changed" : "";
}

export async function control({ a }) {
  return a.settings() === JSON.stringify(settings);
}
//// suspect/settings.json
{ "allowed": [], "deep": { "list": [] } }
//// a/settings.json
{ "allowed": [], "deep": { "list": [] } }
//// a/index.js
import mine from "./settings.json" with { type: "json" };
export const settings = () => JSON.stringify(mine);
