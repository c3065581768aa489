// npm: jsonwebtoken@9.0.3
// why not: it needs Node.js's modules `stream` and `crypto`; use jose
// prints: .eyJmb28iOiJiYXIiLCJpYXQiOjE3OTYwNTc3Mjl9.3bd4OLyVd4A_YpztvhTz9hTQJACFN2QUN5479D4bK0w
// prints: bar
import jwt from "jsonwebtoken";

const token = jwt.sign({ foo: "bar", iat: 0 }, "shhhhh");
console.log(token.slice(token.indexOf(".")));
console.log(jwt.verify(token, "shhhhh").foo);
