// npm: dompurify@3.5.0
// npm: linkedom@0.18.15
// why not: linkedom has no `document.implementation`, so it is not supported and cleans nothing, also on Node.js
// prints: true
// prints: <img src="x"><b>hello</b>
import createDOMPurify from "dompurify";
import { parseHTML } from "linkedom";

const purify = createDOMPurify(parseHTML("<!doctype html><html><head></head><body></body></html>"));
console.log(purify.isSupported);
console.log(purify.sanitize("<img src=x onerror=alert(1)//><b>hello</b>"));
