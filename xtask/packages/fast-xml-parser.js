// npm: fast-xml-parser@5.12.1
// prints: {"root":{"item":[{"#text":"a","@_id":"1"},{"#text":"b","@_id":"2"}]}}
// prints: true Unclosed tag 'a'.
import { XMLBuilder, XMLParser, XMLValidator } from "fast-xml-parser";

const text = '<root><item id="1">a</item><item id="2">b</item></root>';
const object = new XMLParser({ ignoreAttributes: false }).parse(text);
console.log(JSON.stringify(object));
console.log(new XMLBuilder({ ignoreAttributes: false }).build(object) === text, XMLValidator.validate("<a>").err.msg);
