// npm: ramda@0.32.0
// prints: 12 {"a":{"c":1,"b":42}}
// prints: {"x":[{"k":"x"}],"y":[{"k":"y"}]} 6
import * as R from "ramda";

const classify = R.pipe(R.filter((n) => n % 2 === 0), R.map(R.multiply(2)), R.sum);
console.log(classify([1, 2, 3, 4]), JSON.stringify(R.assocPath(["a", "b"], 42, { a: { c: 1 } })));
console.log(JSON.stringify(R.groupBy(R.prop("k"), [{ k: "x" }, { k: "y" }])), R.curry((a, b, c) => a + b + c)(1)(2)(3));
