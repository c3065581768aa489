// npm: pako@3.0.3
// prints: true 600
// prints: true
import * as pako from "pako";

const input = new TextEncoder().encode("hello ".repeat(100));
const packed = pako.deflate(input);
console.log(packed.length < 40, pako.inflate(packed).length);
console.log(new TextDecoder().decode(pako.ungzip(pako.gzip(input))) === "hello ".repeat(100));
