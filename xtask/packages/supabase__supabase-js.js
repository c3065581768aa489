// npm: @supabase/supabase-js@2.109.0
// note: there is no `WebSocket` yet, so it must be given a class as `realtime.transport`
// prints: GET https://xyz.supabase.co/rest/v1/people?select=id%2Cname&id=eq.1 public-anon-key
// prints: null [{"id":1,"name":"Ann"}]
import { createClient } from "@supabase/supabase-js";

const supabase = createClient("https://xyz.supabase.co", "public-anon-key", {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: class {} },
  global: {
    fetch: async (url, init) => {
      console.log(init.method, String(url), new Headers(init.headers).get("apikey"));
      return Response.json([{ id: 1, name: "Ann" }]);
    },
  },
});
const { data, error } = await supabase.from("people").select("id, name").eq("id", 1);
console.log(error, JSON.stringify(data));
