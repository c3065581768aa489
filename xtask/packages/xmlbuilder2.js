// npm: xmlbuilder2@4.0.3
// npm: url@0.11.4
// prints: <?xml version="1.0"?><root att="val"><foo><bar>foo &amp; bar</bar></foo><baz/></root>
// prints: {"a":{"b":{"@x":"1","#":"t"}}}
import { convert, create } from "xmlbuilder2";

const document = create({ version: "1.0" })
  .ele("root", { att: "val" })
  .ele("foo")
  .ele("bar")
  .txt("foo & bar")
  .up()
  .up()
  .ele("baz")
  .up();
console.log(document.end({ prettyPrint: false }));
console.log(JSON.stringify(convert("<a><b x='1'>t</b></a>", { format: "object" })));
