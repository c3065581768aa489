// npm: hono@4.13.19
// prints: 200 Hono!
// prints: 200 {"id":"7","page":"2"}
// prints: 201 {"title":"a"}
// prints: 404 404 Not Found
import { Hono } from "hono";

const app = new Hono();
app.get("/", (c) => c.text("Hono!"));
app.get("/posts/:id", (c) => c.json({ id: c.req.param("id"), page: c.req.query("page") }));
app.post("/posts", async (c) => c.json(await c.req.json(), 201));

for (const [path, init] of [["/"], ["/posts/7?page=2"], ["/posts", { method: "POST", body: '{"title":"a"}' }], ["/none"]]) {
  const response = await app.fetch(new Request(`https://example.com${path}`, init));
  console.log(response.status, await response.text());
}
