// npm: mathjs@15.2.0
// grants: clock = "never"
// grants mathjs>seedrandom: random = "seeded"
// prints: 0.75 2i 14
// prints: 7.8 5 inch 0.4999999999999999
// prints: 2 * x + 1 [2,2]
import { atan2, chain, derivative, evaluate, matrix, pi, round, sqrt } from "mathjs";

console.log(round(atan2(3, -3) / pi, 3), sqrt(-4).toString(), chain(3).add(4).multiply(2).done());
console.log(evaluate("1.2 * (2 + 4.5)"), evaluate("12.7 cm to inch").toString(), evaluate("sin(45 deg) ^ 2"));
console.log(derivative("x^2 + x", "x").toString(), JSON.stringify(matrix([[1, 2], [3, 4]]).size()));
