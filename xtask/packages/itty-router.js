// npm: itty-router@5.0.24
// prints: 200 application/json; charset=utf-8 "Hello, ann!"
// prints: 200 application/json; charset=utf-8 {"foo":"bar"}
// prints: 200 application/json; charset=utf-8 "hi"
// prints: 404 application/json; charset=utf-8 {"status":404,"error":"Not Found"}
import { AutoRouter } from "itty-router";

const router = AutoRouter();
router
  .get("/hello/:name", ({ name }) => `Hello, ${name}!`)
  .get("/json", () => ({ foo: "bar" }))
  .post("/echo", async (request) => (await request.json()).text);

for (const [path, init] of [["/hello/ann"], ["/json"], ["/echo", { method: "POST", body: '{"text":"hi"}' }], ["/none"]]) {
  const response = await router.fetch(new Request(`https://example.com${path}`, init));
  console.log(response.status, response.headers.get("content-type"), await response.text());
}
