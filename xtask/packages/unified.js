// npm: unified@11.0.5
// npm: remark-parse@11.0.0
// prints: heading,blockquote
import remarkParse from "remark-parse";
import { unified } from "unified";

const processor = unified()
  .use(remarkParse)
  .use(function () {
    this.compiler = (tree) => tree.children.map((child) => child.type).join();
  });
console.log(String(await processor.process("# Hello world!\n\n> quote\n")));
