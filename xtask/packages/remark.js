// npm: remark@15.0.1
// prints: ## Hi, *Mercury*!
// prints:
// prints: * a
// prints: * b
import { remark } from "remark";

const file = await remark()
  .use(() => (tree) => {
    tree.children[0].depth += 1;
  })
  .process("# Hi, *Mercury*!\n\n* a\n* b\n");
console.log(String(file).trim());
