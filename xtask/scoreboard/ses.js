// Runs one case on SES: after lockdown(), each package has its own Compartment with the capabilities that it was
// granted. SES has no files and no network. The ones here belong to the embedder, and refuse paths without the
// granted prefix.
import "ses";
import { ModuleSource } from "@endo/module-source";
import { readFileSync, readdirSync } from "node:fs";
import * as files from "node:fs/promises";
import { join, normalize, relative, resolve } from "node:path";
import { come } from "./guest.js";

const { folder, base, server, what, grants } = JSON.parse(process.argv[2]);
process.chdir(base);

// The sources are read and parsed before lockdown.
const packages = {};
for (const name of Object.keys(grants)) {
  const root = join(folder, name);
  packages[name] = {};
  for (const path of readdirSync(root, { recursive: true })) {
    if (path.endsWith(".js")) packages[name][`./${path}`] = new ModuleSource(readFileSync(join(root, path), "utf8"), `${name}/${path}`);
  }
}
const { setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask, structuredClone, console, URL, URLSearchParams } = globalThis;
const { AbortController, AbortSignal, TextEncoder, TextDecoder, fetch } = globalThis;
lockdown();

class CapabilityError extends Error {}
harden(CapabilityError);

/** Returns the capabilities of a package. */
function capabilities(given) {
  const guard = (kind, path) => {
    const allowed = given.some((grant) => {
      const [what, scope] = grant.split("=");
      if (what !== kind) return false;
      const whole = resolve(base, scope.replace(/\/?\*\*$/, ""));
      const inside = relative(whole, resolve(base, path));
      return scope.endsWith("**") ? !inside.startsWith("..") : inside === "";
    });
    if (!allowed) throw new CapabilityError(`${kind} ${path} is not granted`);
    return resolve(base, path);
  };
  const granted = (kind) => given.find((grant) => grant.startsWith(`${kind}=`));
  const only = (kind, call) => (...args) => {
    if (granted(kind) === undefined) throw new CapabilityError(`${kind} is not granted`);
    return call(...args);
  };
  return harden({
    CapabilityError,
    fs: {
      readTextFile: async (path) => files.readFile(guard("fs.read", `${path}`), "utf8"),
      readFile: async (path) => new Uint8Array(await files.readFile(guard("fs.read", `${path}`))),
      writeTextFile: async (path, text) => files.writeFile(guard("fs.write", `${path}`), text),
    },
    net: { fetch: only("net.connect", (url) => fetch(url).then(async (response) => harden({ text: async () => response.text() }))) },
    env: { get: only("env.read", () => undefined) },
    clock: { now: only("clock", () => 1) },
    random: { bytes: only("random", (length) => new Uint8Array(length)) },
  });
}

const compartments = {};
for (const [name, given] of Object.entries(grants)) {
  const own = capabilities(given);
  compartments[name] = new Compartment({
    __options__: true,
    name,
    globals: { setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask, structuredClone, console, URL, URLSearchParams,
      AbortController, AbortSignal, TextEncoder, TextDecoder },
    resolveHook: (specifier, referrer) => specifier.startsWith(".") ? `./${normalize(join(referrer, "..", specifier))}` : specifier,
    importHook: async (specifier) => {
      if (specifier === "cap:self") {
        return { source: { imports: [], exports: Object.keys(own), execute: (namespace) => void Object.assign(namespace, own) } };
      }
      const source = packages[name][specifier];
      if (source === undefined) throw new TypeError(`there is no module ${specifier}`);
      return { source };
    },
  });
}
const load = async (name) => (await compartments[name].import("./index.js")).namespace;
const a = "a" in compartments ? await load("a") : undefined;
const shared = harden({});
process.stdout.write(`\n${JSON.stringify(await come(await load("suspect"), a, { what, base, server, shared }))}\n`);
process.exit(0);
