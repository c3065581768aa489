/*---
id = "A62"
title = "a granted name with an address that is not public is refused, unless the address is granted"
boundary = "program"
elsewhere = "a grant of a name includes its addresses there"
grants = ["net.connect=http://localhost:9"]
control_grants = ["net.connect=http://localhost:9", "net.connect=http://127.0.0.1:9", "net.connect=http://[::1]:9"]
expect = "nothing"
audit = [
  "allowed net connect http://localhost:9", "denied net connect http://127.0.0.1:9",
  "allowed net connect http://localhost:9", "denied net connect http://127.0.0.1:9",
  "allowed net connect http://localhost:9", "denied net connect http://127.0.0.1:9",
]
---*/
import { net } from "cap:self";

export async function attack({ denied }) {
  let gained = "";
  for (const url of ["http://localhost:9/", "http://LOCALHOST:9/", "http://localhost.:9/"]) {
    gained += await denied(url, () => net.fetch(url));
  }
  return gained;
}

// Nothing listens there: that it was tried is what is looked for.
export async function control() {
  try {
    await net.fetch("http://localhost:9/");
  } catch (error) {
    return error.code === "ECONNREFUSED";
  }
}
