/*---
id = "A14"
title = "a loop that is compiled and inlined makes the same decisions as before"
boundary = "modules"
elsewhere = { deno = "the clock is not restricted", node = "the clock is not restricted" }
app_grants = ["clock=1s"]
expect = "nothing"
audit = [
  "denied clock read 1s by suspect/index.js", "20000 times allowed clock read 1s by a/index.js",
  "2000 times denied clock read 1s by suspect/index.js", "20000 times allowed clock read 1s by a/index.js",
  "denied clock read 1s by suspect/index.js",
]
control_grants = ["clock=1s"]
[a]
grants = ["clock=1s"]
---*/
import { clock } from "cap:self";

const now = (capability) => capability.now();
const own = () => clock.now();
const isRefused = (call) => {
  try {
    call();
    return false;
  } catch {
    return true;
  }
};

export async function attack({ a }) {
  let gained = isRefused(own) ? "" : "cold; ";
  a.run(now, 20000);
  let refused = 0;
  for (let turn = 0; turn < 2000; turn++) refused += isRefused(() => a.runOwn(own)) ? 1 : 0;
  if (refused !== 2000) gained += `${2000 - refused} of 2000 in the victim's frame; `;
  a.run(now, 20000);
  return gained + (isRefused(own) ? "" : "hot; ");
}

export async function control({ a }) {
  return a.run(now, 100) > 0 && own() > 0;
}
//// a/index.js
import { clock } from "cap:self";
export const run = (call, times) => {
  let last = 0;
  for (let turn = 0; turn < times; turn++) last = call(clock);
  return last;
};
export const runOwn = (call) => call();
