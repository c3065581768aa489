// The CBOR peer of the interop test: for each line of hexadecimal digits on standard input, whether it is one item of
// deterministic CBOR (RFC 8949 section 4.2.1) of the kinds that graphs have, as cborg reads and writes it.
// Its argument is the folder that the package was installed in.

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

// Unsigned integers, byte strings, texts, arrays and maps: other kinds of items are in no graph.
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
    // Of the order of maps its decoder says nothing; encoding again does.
    return isOfAGraph(value) && Buffer.from(encode(value, rfc8949EncodeOptions)).equals(bytes);
  } catch {
    return false;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(isDeterministic(Buffer.from(line, "hex")));
}
