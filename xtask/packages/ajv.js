// npm: ajv@8.20.0
// code from strings: `ajv compile` of ajv-cli, or `ajv/dist/standalone`, writes the validator as a CommonJS module
// prints: true false must be integer
import Ajv from "ajv";

const ajv = new Ajv();
const validate = ajv.compile({
  type: "object",
  properties: { foo: { type: "integer" }, bar: { type: "string" } },
  required: ["foo"],
  additionalProperties: false,
});
console.log(validate({ foo: 1, bar: "abc" }), validate({ foo: "1" }), validate.errors[0].message);
