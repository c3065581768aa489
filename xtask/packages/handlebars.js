// npm: handlebars@4.7.10
// code from strings: `handlebars --commonjs handlebars/runtime` writes templates as CommonJS modules
// prints: <p>Hello, my name is Alan. Jimmy is 12</p>
import Handlebars from "handlebars";

const template = Handlebars.compile("<p>Hello, my name is {{name}}.{{#each kids}} {{name}} is {{age}}{{/each}}</p>");
console.log(template({ name: "Alan", kids: [{ name: "Jimmy", age: "12" }] }));
