// The entry module of every attack. Its argument says which function to call and when. It prints the result in one
// line. If there is a victim, a line before this one imports it as `a`.
import { CapabilityError } from "cap:self";
import * as suspect from "suspect";

const nameOf = (error) => (error instanceof CapabilityError ? "CapabilityError" : `${error?.name ?? typeof error}`);

/**
 * Returns an empty text if the call is refused with an error of this kind. Otherwise, the text describes the
 * difference.
 */
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
    // The real global object. Modules of packages see a copy of it.
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
