// The entry of a case on another system, like tests/attacks/main.js. It does not inspect the errors of this project:
// every error counts as a refusal.

const refuses = async (what, _kind, call) => {
  try {
    await call();
  } catch {
    return "";
  }
  return `${what}: went through; `;
};

/** Runs `attack` or `control` of a case's package, and returns the result. */
export async function come(suspect, a, { what, base, server, shared }) {
  const help = { a, base, server, shared, refuses, denied: (name, call) => refuses(name, "", call) };
  try {
    const gained = await suspect[what](help);
    return gained ? { came: "gained", detail: String(gained) } : { came: "nothing" };
  } catch (error) {
    return { came: "refused", detail: `${error?.name}: ${error?.message}` };
  }
}
