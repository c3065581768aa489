// npm: ajv@8.20.0
// prints: true false must NOT have fewer than 2 characters
import length from "ajv/dist/runtime/ucs2length.js";

// The essence of the output of `ajv/dist/standalone` for `{ type: "string", minLength: 2 }`. A build step writes it.
function validate(data) {
  if (typeof data !== "string") {
    validate.errors = [{ keyword: "type", message: "must be string" }];
    return false;
  }
  if (length.default(data) < 2) {
    validate.errors = [{ keyword: "minLength", message: "must NOT have fewer than 2 characters" }];
    return false;
  }
  validate.errors = null;
  return true;
}
console.log(validate("ab"), validate("😀"), validate.errors[0].message);
