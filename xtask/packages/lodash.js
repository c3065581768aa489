// npm: lodash@4.18.1
// grants: clock = "never"
// prints: {"a":1,"b":2} [[1,3],[2,4]]
// prints: {"4":[4.2],"6":[6.1,6.3]} 3
// prints: foo-bar {"a":[{"b":2,"c":3}]}
import _ from "lodash";

console.log(JSON.stringify(_.defaults({ a: 1 }, { a: 3, b: 2 })), JSON.stringify(_.partition([1, 2, 3, 4], (n) => n % 2)));
console.log(JSON.stringify(_.groupBy([6.1, 4.2, 6.3], Math.floor)), _.get({ a: [{ b: 3 }] }, "a[0].b"));
console.log(_.kebabCase("Foo Bar"), JSON.stringify(_.merge({ a: [{ b: 2 }] }, { a: [{ c: 3 }] })));
