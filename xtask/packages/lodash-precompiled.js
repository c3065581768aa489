// npm: lodash@4.18.1
// grants: clock = "never"
// prints: hello &lt;fred&gt;!
import _ from "lodash";

// The essence of `_.template("hello <%- data.user %>!", { variable: "data" }).source`. A build step writes it.
const template = (data) => `hello ${_.escape(data.user)}!`;
console.log(template({ user: "<fred>" }));
