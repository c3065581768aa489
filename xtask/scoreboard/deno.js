// `cap:self`, implemented with Deno's API. Permissions belong to the process, so all packages get the same objects.
export class CapabilityError extends Error {}

export const fs = {
  readTextFile: (path) => Deno.readTextFile(path),
  readFile: (path) => Deno.readFile(path),
  writeTextFile: (path, text, options) => Deno.writeTextFile(path, text, options),
  writeFile: (path, bytes) => Deno.writeFile(path, bytes),
  readDir: (path) => Deno.readDir(path)[Symbol.asyncIterator](),
  stat: (path) => Deno.stat(path),
  mkdir: (path, options) => Deno.mkdir(path, options),
  remove: (path, options) => Deno.remove(path, options),
  rename: (from, to) => Deno.rename(from, to),
  open: (path, options) => Deno.open(path, options),
};
export const net = { fetch: (url, init) => fetch(url, init) };
export const env = { get: (name) => Deno.env.get(name) };
export const clock = { now: () => Date.now() };
export const random = { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) };
