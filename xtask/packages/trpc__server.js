// npm: @trpc/server@11.25.2
// npm: zod@4.6.7
// prints: 200 {"result":{"data":"hello tRPC"}}
// prints: 400
// prints: hello caller
import { initTRPC } from "@trpc/server";
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { z } from "zod";

const t = initTRPC.create();
const appRouter = t.router({
  greeting: t.procedure.input(z.object({ name: z.string() })).query(({ input }) => `hello ${input.name}`),
});
const ask = async (input) => {
  const request = new Request(`https://example.com/trpc/greeting?input=${encodeURIComponent(JSON.stringify(input))}`);
  return fetchRequestHandler({ endpoint: "/trpc", req: request, router: appRouter, createContext: () => ({}) });
};
const good = await ask({ name: "tRPC" });
console.log(good.status, await good.text());
console.log((await ask({ name: 1 })).status);
const caller = t.createCallerFactory(appRouter)({});
console.log(await caller.greeting({ name: "caller" }));
