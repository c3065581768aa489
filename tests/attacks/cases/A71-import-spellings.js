/*---
id = "A71"
title = "every spelling of a dynamic import is decided in the same way, by the engine and not by a pattern over the source"
boundary = "program"
expect = "nothing"
audit = []
---*/
const name = ["ext:core", "mod.js"].join("/");
const spellings = {
  plain: () => import(name),
  comment: () => import/* comment */(name),
  "line break": () => import
    (name),
  spread: async () => ({ ...(await import(name)) }),
  template: async () => `${await import(name)}`,
  nested: () => (0, import(name)),
  "in a class": () => new (class { field = import(name); })().field,
  "in a default": ((given = () => import(name)) => given)(),
  "in a generator": () => (function* () { yield import(name); })().next().value,
  "as a callback": () => [name].map((each) => import(each))[0],
  await: async () => await import(await name),
};

export async function attack({ refuses }) {
  let gained = "";
  for (const [way, load] of Object.entries(spellings)) gained += await refuses(way, "TypeError", load);
  return gained;
}

export async function control() {
  return (await import/* comment */("./other.js")).other === 1;
}
//// suspect/other.js
export const other = 1;
