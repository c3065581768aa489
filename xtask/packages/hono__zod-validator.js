// npm: @hono/zod-validator@0.9.1
// npm: hono@4.13.19
// npm: zod@4.6.7
// prints: 200 Ann is 3 undefined
// prints: 400 undefined false
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { z } from "zod";

const app = new Hono();
app.post("/author", zValidator("json", z.object({ name: z.string(), age: z.number() })), (c) => {
  const { name, age } = c.req.valid("json");
  return c.json({ message: `${name} is ${age}` });
});
for (const body of ['{"name":"Ann","age":3}', '{"name":1}']) {
  const headers = { "content-type": "application/json" };
  const response = await app.request("/author", { method: "POST", headers, body });
  const { message, success } = await response.json();
  console.log(response.status, message, success);
}
