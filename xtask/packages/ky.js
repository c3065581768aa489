// npm: ky@1.14.3
// prints: POST https://example.com/item {"foo":true}
// prints: {"ok":true}
// prints: GET https://example.com/none
// prints: HTTPError 404
import ky from "ky";

const api = ky.create({
  prefixUrl: "https://example.com",
  retry: 0,
  timeout: false,
  fetch: async (request) => {
    console.log(`${request.method} ${request.url} ${await request.text()}`.trim());
    return request.url.endsWith("none") ? new Response("", { status: 404 }) : Response.json({ ok: true });
  },
});
console.log(JSON.stringify(await api.post("item", { json: { foo: true } }).json()));
await api.get("none").catch((error) => console.log(error.name, error.response.status));
