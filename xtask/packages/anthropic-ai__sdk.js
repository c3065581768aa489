// npm: @anthropic-ai/sdk@1.14.0
// grants: clock = "never"
// grants: random = "seeded"
// prints: POST https://api.anthropic.com/v1/messages null
// prints: [{"type":"text","text":"Hello"}]
// prints: POST https://api.anthropic.com/v1/messages null
// prints: content_block_delta He
// prints: content_block_delta llo
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({
  apiKey: "key",
  dangerouslyAllowBrowser: true,
  fetch: async (url, init) => {
    console.log(init.method, String(url), new Headers(init.headers).get("x-api-key"));
    if (JSON.parse(init.body).stream) {
      const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
      const body = ["He", "llo"]
        .map((text) => event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }))
        .join("");
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    return Response.json({ id: "1", type: "message", role: "assistant", content: [{ type: "text", text: "Hello" }] });
  },
});
const parameters = { max_tokens: 1024, messages: [{ role: "user", content: "Hello, Claude" }], model: "claude-opus-4-6" };
const message = await client.messages.create(parameters);
console.log(JSON.stringify(message.content));
for await (const event of await client.messages.create({ ...parameters, stream: true })) {
  console.log(event.type, event.delta.text);
}
