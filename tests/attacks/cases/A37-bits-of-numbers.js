/*---
id = "A37"
title = "the bits of a number from the engine reveal nothing about its origin"
boundary = "modules"
elsewhere = { ses = "the embedder provides arrays of floats, or none" }
expect = "nothing"
audit = []
[a]
grants = []
---*/
const bits = (number) => new BigUint64Array(new Float64Array([number]).buffer)[0] & 0x7fffffffffffffffn;
const quiet = 0x7ff8000000000000n;

export async function attack({ a }) {
  let gained = "";
  const objects = [{}, () => {}, Symbol("x"), "text", [1]];
  const made = {
    "0/0": 0 / 0, parse: parseFloat("x"), convert: Number("x"), undefined: +undefined, sqrt: Math.sqrt(-1), "∞-∞": Infinity - Infinity,
    remainder: 1 % 0, pow: (-8) ** (1 / 3), date: new Date(NaN).getTime(), code: "".charCodeAt(0), array: new Float64Array([NaN])[0],
    hole: [, 1.5][0] * 1, "a victim's": a.nothing(),
  };
  for (const [name, number] of Object.entries(made)) {
    if (bits(number) !== quiet) gained += `${name} is ${bits(number).toString(16)}; `;
  }
  // Bits that are written into an array and read as a number are a number or none, never a reference.
  for (const high of [0x7ff8n, 0x7ff9n, 0x7ffan, 0x7ffcn, 0x7fffn, 0xfff8n, 0xfffan, 0xfffcn, 0xffffn]) {
    for (const low of [1n, 8n, 0x1000n, 0x7f0000000000n, 0xffffffffffffn]) {
      const number = new Float64Array(new BigUint64Array([(high << 48n) | low]).buffer)[0];
      const kept = [number, { number }.number, a.pass(number), [...objects, number][objects.length]];
      for (const each of kept) if (typeof each !== "number" || each === each) gained += `${high.toString(16)} is ${typeof each}; `;
    }
  }
  return gained;
}

export async function control({ a }) {
  return bits(1) === 0x3ff0000000000000n && a.pass(1.5) === 1.5 && Number.isNaN(a.nothing());
}
//// a/index.js
export const nothing = () => 0 * Infinity;
export const pass = (number) => [number][0];
