// npm: openai@6.49.0
// grants: clock = "never"
// grants: random = "seeded"
// prints: Arrr
// prints: Ar
// prints: rr
// prints: POST https://api.openai.com/v1/chat/completions Bearer key
import OpenAI from "openai";

const requests = [];
const client = new OpenAI({
  apiKey: "key",
  dangerouslyAllowBrowser: true,
  fetch: async (url, init) => {
    requests.push(`${init.method} ${url} ${new Headers(init.headers).get("authorization")}`);
    if (JSON.parse(init.body).stream) {
      const chunk = (text) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`;
      return new Response(`${chunk("Ar")}${chunk("rr")}data: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } });
    }
    return Response.json({ id: "1", choices: [{ index: 0, message: { role: "assistant", content: "Arrr" } }] });
  },
});
const messages = [{ role: "user", content: "Are semicolons optional?" }];
const completion = await client.chat.completions.create({ model: "gpt-5.2", messages });
console.log(completion.choices[0].message.content);
for await (const event of await client.chat.completions.create({ model: "m", messages, stream: true })) {
  console.log(event.choices[0].delta.content);
}
console.log(requests[0]);
