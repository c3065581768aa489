// npm: axios@1.21.1
// grants: clock = "never"
// prints: GET https://example.com/user?ID=12345
// prints: 200 {"id":12345}
// prints: POST https://example.com/user {"firstName":"Fred"}
// prints: 12345
// prints: GET https://example.com/none
// prints: AxiosError ERR_BAD_REQUEST Request failed with status code 404
import axios from "axios";

const client = axios.create({
  adapter: "fetch",
  baseURL: "https://example.com",
  env: {
    Request,
    Response,
    fetch: async (request, init) => {
      const sent = request instanceof Request ? request : new Request(request, init);
      console.log(`${sent.method} ${sent.url} ${await sent.text()}`.trim());
      return sent.url.endsWith("none") ? new Response("", { status: 404 }) : Response.json({ id: 12345 });
    },
  },
});
const response = await client.get("/user", { params: { ID: 12345 } });
console.log(response.status, JSON.stringify(response.data));
console.log((await client.post("/user", { firstName: "Fred" })).data.id);
await client.get("/none").catch((error) => console.log(error.name, error.code, error.message));
