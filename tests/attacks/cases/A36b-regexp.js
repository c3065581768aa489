/*---
id = "A36b"
title = "regular expressions carry no data between modules, and a frozen one does not change"
boundary = "modules"
expect = "nothing"
audit = []
[a]
grants = []
---*/
export async function attack({ a }) {
  let gained = "";
  a.match("the secret is 42");
  for (const name of ["$1", "$&", "$_", "$`", "$'", "$+", "input", "lastMatch", "lastParen", "leftContext", "rightContext"]) {
    if (RegExp[name]) gained += `RegExp.${name} is ${RegExp[name]}; `;
  }
  try {
    a.filter.compile?.(".*");
  } catch {
    // A frozen one refuses.
  }
  if (a.isAllowed("no")) gained += "the victim's filter was recompiled; ";
  return gained;
}

export async function control({ a }) {
  return a.match("the secret is 42") === "42" && a.isAllowed("yes") && !a.isAllowed("no");
}
//// a/index.js
export const match = (text) => /is (\d+)/.exec(text)[1];
export const filter = Object.freeze(/^yes$/);
export const isAllowed = (text) => filter.test(text);
