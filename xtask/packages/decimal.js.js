// npm: decimal.js@10.6.0
// prints: 0.3 1.414213562373095 255.9375
// prints: 0.1428571428571428571428571428571428571429
import Decimal from "decimal.js";

console.log(new Decimal("0.1").plus("0.2").toString(), new Decimal(2).sqrt().toFixed(15), new Decimal("0xff.f").toString());
console.log(Decimal.set({ precision: 40 }).div(1, 7).toString());
