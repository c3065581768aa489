// npm: @noble/hashes@2.4.0
// prints: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
// prints: 6e9ef29b75fffc5b7abae527d58fdadb2fe42e7219011976917343065f58ed4a
// prints: 6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85
// prints: ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43
import { blake3 } from "@noble/hashes/blake3.js";
import { hmac } from "@noble/hashes/hmac.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

console.log(bytesToHex(sha256(utf8ToBytes("abc"))));
console.log(bytesToHex(hmac(sha256, utf8ToBytes("key"), utf8ToBytes("message"))));
console.log(bytesToHex(blake3(utf8ToBytes("abc"))));
console.log(bytesToHex(pbkdf2(sha256, "password", "salt", { c: 2, dkLen: 32 })));
