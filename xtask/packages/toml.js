// npm: toml@5.0.1
// prints: TOML Tom 1979-05-27T07:32:00.000Z [1,2]
// prints: SyntaxError undefined undefined
import toml from "toml";

const data = toml.parse('title = "TOML"\n[owner]\nname = "Tom"\ndob = 1979-05-27T07:32:00Z\nports = [1, 2]\n');
console.log(data.title, data.owner.name, data.owner.dob.toISOString(), JSON.stringify(data.owner.ports));
try {
  toml.parse("[abc]\nabc = .");
} catch (error) {
  console.log(error.name, error.line, error.column);
}
