// The entry module of every attack. Its one argument says what to run and when; its one line of output says what came
// of it. A line before this one imports the victim, if there is one, as `a`.
import { CapabilityError } from "cap:self";
import * as suspect from "suspect";

const nameOf = (error) => (error instanceof CapabilityError ? "CapabilityError" : `${error?.name ?? typeof error}`);

/** Nothing where the call is refused with an error of that kind; else a text that says what happened instead. */
const refuses = async (what, kind, call) => {
  try {
    await call();
  } catch (error) {
    const name = nameOf(error);
    return name === kind ? "" : `${what}: ${name}: ${error?.message}, not ${kind}; `;
  }
  return `${what}: went through; `;
};

const schedules = {
  direct: (call) => call(),
  awaited: async (call) => {
    await null;
    await Promise.resolve().then(() => null);
    return call();
  },
  timer: (call) => new Promise((resolve, reject) => setTimeout(() => {
    try {
      resolve(call());
    } catch (error) {
      reject(error);
    }
  }, 1)),
};

export default async function main([argument]) {
  const { what, schedule, base, server } = JSON.parse(argument);
  const help = {
    a,
    base,
    server,
    refuses,
    // The global object itself. Modules of packages find a copy of it.
    shared: globalThis,
    denied: (what, call) => refuses(what, "CapabilityError", call),
  };
  let came;
  try {
    const gained = await schedules[schedule](() => suspect[what](help));
    came = gained ? { verdict: "gained", detail: String(gained) } : { verdict: "nothing" };
  } catch (error) {
    const name = nameOf(error);
    came = { verdict: name === "CapabilityError" ? "denied" : "refused", error: name, detail: String(error?.message) };
  }
  console.log(JSON.stringify(came));
}
