// npm: lodash@4.18.1
// grants: clock = "never"
// code from strings: a build step makes a module of `_.template(text, { variable: "data" }).source`
// prints: hello fred!
import _ from "lodash";

console.log(_.template("hello <%= user %>!")({ user: "fred" }));
