/*---
id = "A67b"
title = "an import fetches nothing, whatever its address contains"
boundary = "program"
expect = "nothing"
audit = []
---*/
export async function attack({ server, refuses }) {
  let gained = "";
  for (const address of [`${server}/exfiltrated?secret`, `${server}/x.js#secret`, `${server}/x.json`]) {
    gained += await refuses(address, "TypeError", () => import(address));
  }
  return gained;
}

export async function control() {
  return (await import("./other.js")).other === 1;
}
//// suspect/other.js
export const other = 1;
