// npm: yaml@2.9.1
// prints: {"YAML":["A human-readable language",{"pi":3.14159}],"null_value":null}
// prints: list:
// prints:   - true
// prints:   - a: "x: y"
// prints: n: null
// prints: # comment
// prints: a: 1
// prints: b: 2
import YAML from "yaml";

console.log(JSON.stringify(YAML.parse("YAML:\n  - A human-readable language\n  - pi: 3.14159\nnull_value: ~\n")));
console.log(YAML.stringify({ list: [true, { a: "x: y" }], n: null }).trim());
const document = YAML.parseDocument("# comment\na: 1\n");
document.set("b", 2);
console.log(String(document).trim());
