// npm: seedrandom@3.0.5
// grants: random = "seeded"
// prints: 0.9282578795792454 1611716443 0.22962240758351982
// prints: true true
import seedrandom from "seedrandom";

const random = seedrandom("hello.");
console.log(random(), random.int32(), random.quick());
console.log(seedrandom("hello.")() === seedrandom("hello.")(), seedrandom()() < 1);
