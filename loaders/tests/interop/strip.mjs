// The TypeScript peer of the interop test. It reads JSON lines from standard input: [TypeScript, text without types].
// For each line it reports if ts-blank-space leaves the same text: "same", "other", "refused", "broken" if its result
// is not JavaScript. Comments and empty statements are ignored.
// The argument is the folder where the packages were installed.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const packages = join(process.argv[2], "package.json");
const ts = createRequire(packages)("typescript");
const { default: blank } = await import(
  pathToFileURL(join(process.argv[2], "node_modules/ts-blank-space/out/index.js"))
);

const compilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ESNext,
  removeComments: true,
  verbatimModuleSyntax: true,
};

function printed(text) {
  const options = { compilerOptions, fileName: "module.js", reportDiagnostics: true };
  const { diagnostics, outputText } = ts.transpileModule(text, options);
  return diagnostics.length > 0 ? null : outputText.replaceAll(";", "").replaceAll(/\s+/g, " ").trim();
}

function verdict(source, left) {
  let refused = false;
  const theirs = printed(blank(source, () => (refused = true)));
  if (refused) return "refused";
  if (theirs === null) return "broken";
  return theirs === printed(left) ? "same" : "other";
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(verdict(...JSON.parse(line)));
}
