// npm: cbor-x@1.6.9
// prints: 1 [true,null,"text"] 1,2
import { decode, encode } from "cbor-x";

const bytes = encode({ a: 1, list: [true, null, "text"], bytes: new Uint8Array([1, 2]) });
const value = decode(bytes);
console.log(value.a, JSON.stringify(value.list), Array.from(value.bytes).join());
