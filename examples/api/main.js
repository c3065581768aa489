// A service for notes: `POST /sessions` signs in, and `/notes/{id}` needs the token that it returns.
import { Hono } from "hono";
import { signIn, userOf } from "./auth.js";
import { notesOf } from "./notes.js";

const app = new Hono();

app.get("/", (c) => c.text("notes: POST /sessions, then GET, PUT or DELETE /notes/{id}\n"));

app.post("/sessions", async (c) => {
  const { user, password } = await c.req.json().catch(() => ({}));
  const token = await signIn(user, password);
  return token === null ? c.json({ error: "wrong user or password" }, 401) : c.json({ token });
});

app.use("/notes/*", async (c, next) => {
  const user = await userOf(c.req.header("authorization"));
  if (user === null) return c.json({ error: "sign in first: POST /sessions" }, 401);
  // The handlers below get the notes of this user, and no others.
  c.set("notes", notesOf(user));
  await next();
});

app.get("/notes", async (c) => c.json(await c.get("notes").list()));

app.get("/notes/:id", async (c) => {
  const note = await c.get("notes").get(c.req.param("id"));
  return note === undefined ? c.json({ error: "no such note" }, 404) : c.json({ note });
});

app.put("/notes/:id", async (c) => {
  await c.get("notes").set(c.req.param("id"), await c.req.text());
  return c.body(null, 204);
});

app.delete("/notes/:id", async (c) => {
  await c.get("notes").remove(c.req.param("id"));
  return c.body(null, 204);
});

export default app;
