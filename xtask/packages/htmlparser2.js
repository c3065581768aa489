// npm: htmlparser2@12.0.0
// prints: Xyz  | <script {"type":"text/javascript"} | const foo = '<<bar>>'; | >script
// prints: b
import { Parser, parseDocument } from "htmlparser2";

const events = [];
const parser = new Parser({
  onopentag: (name, attributes) => events.push(`<${name} ${JSON.stringify(attributes)}`),
  ontext: (text) => events.push(text),
  onclosetag: (name) => events.push(`>${name}`),
});
parser.write("Xyz <script type='text/javascript'>const foo = '<<bar>>';</script>");
parser.end();
console.log(events.join(" | "));
console.log(parseDocument("<a><b>x</b></a>").children[0].children[0].name);
