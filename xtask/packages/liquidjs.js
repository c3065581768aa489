// npm: liquidjs@10.30.1
// grants: clock = "never"
// prints: Welcome to Liquid! 2 3
import { Liquid } from "liquidjs";

const engine = new Liquid();
const template = engine.parse("Welcome to {{ name | capitalize }}!{% for n in list %} {{ n | plus: 1 }}{% endfor %}");
console.log(await engine.render(template, { name: "liquid", list: [1, 2] }));
