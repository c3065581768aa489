// The CBOR peer of the interop test. It reads lines of hexadecimal digits from standard input. For each line it reports
// if cborg reads and writes it as one item of deterministic CBOR (RFC 8949, 4.2.1), of the kinds that graphs use.
// The argument is the folder where the package was installed.

import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { decode, encode, rfc8949EncodeOptions } = await import(
  pathToFileURL(join(process.argv[2], "node_modules/cborg/cborg.js"))
);

const STRICT = {
  allowIndefinite: false,
  allowUndefined: false,
  rejectDuplicateMapKeys: true,
  strict: true,
  useMaps: true,
};

// Graphs use unsigned integers, byte strings, texts, arrays and maps, and no other kinds of items.
function isOfAGraph(value) {
  if (typeof value === "number" || typeof value === "bigint") {
    return (typeof value === "bigint" || Number.isInteger(value)) && value >= 0;
  }
  if (value instanceof Map) {
    return [...value].flat(1).every(isOfAGraph);
  }
  return typeof value === "string" || value instanceof Uint8Array || (Array.isArray(value) && value.every(isOfAGraph));
}

function isDeterministic(bytes) {
  try {
    const value = decode(bytes, STRICT);
    // The decoder does not check the order of map keys. Encoding again does.
    return isOfAGraph(value) && Buffer.from(encode(value, rfc8949EncodeOptions)).equals(bytes);
  } catch {
    return false;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(isDeterministic(Buffer.from(line, "hex")));
}
