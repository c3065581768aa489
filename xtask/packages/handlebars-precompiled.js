// npm: handlebars@4.7.10
// prints: Hello, A &amp; B!
import Handlebars from "handlebars/runtime.js";

// The essence of the output of `handlebars --simple` for `Hello, {{name}}!`. A build step writes it.
const hello = Handlebars.template({
  compiler: [8, ">= 4.3.0"],
  main(container, depth0) {
    return `Hello, ${container.escapeExpression(container.lambda(depth0.name, depth0))}!`;
  },
  useData: true,
});
console.log(hello({ name: "A & B" }));
