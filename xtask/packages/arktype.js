// npm: arktype@2.2.10
// prints: {"name":"Alan Turing","platform":"ios","versions":[1]}
// prints: true 2
// prints: platform must be "android" or "ios" (was "enigma")
import { type } from "arktype";

const User = type({ name: "string", platform: "'android' | 'ios'", "versions?": "(number | string)[]" });
console.log(JSON.stringify(User({ name: "Alan Turing", platform: "ios", versions: [1] })));
const out = User({ name: "Alan Turing", platform: "enigma", versions: [0, "1", 0n] });
console.log(out instanceof type.errors, out.summary.split("\n").length);
console.log(out.summary.split("\n")[0]);
