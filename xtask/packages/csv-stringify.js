// npm: csv-stringify@6.9.0
// prints: a,b
// prints: 1,"x ""y"", z"
import { stringify } from "csv-stringify/browser/esm/sync";

console.log(stringify([{ a: "1", b: 'x "y", z' }], { header: true }).trim());
