// npm: turndown@7.2.5
// npm: linkedom@0.18.15
// note: without a `document`, it converts nodes and no text, so linkedom parses the text
// prints: # Hello world!
// prints:
// prints: a **bold** [link](/x)
import { parseHTML } from "linkedom";
import TurndownService from "turndown";

const { document } = parseHTML("<body><h1>Hello world!</h1><p>a <b>bold</b> <a href='/x'>link</a></p></body>");
const service = new TurndownService({ headingStyle: "atx" });
console.log(service.turndown(document.querySelector("body")));
