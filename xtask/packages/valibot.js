// npm: valibot@1.5.0
// prints: {"email":"jane@example.com","password":"12345678"}
// prints: ValiError Invalid email: Received ""
import * as v from "valibot";

const LoginSchema = v.object({ email: v.pipe(v.string(), v.email()), password: v.pipe(v.string(), v.minLength(8)) });
console.log(JSON.stringify(v.parse(LoginSchema, { email: "jane@example.com", password: "12345678" })));
try {
  v.parse(LoginSchema, { email: "", password: "" });
} catch (error) {
  console.log(error.name, error.message);
}
