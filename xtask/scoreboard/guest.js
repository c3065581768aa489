// What runs a case elsewhere: the cases' own entry (tests/attacks/main.js), without what only this project's errors say. There, any
// error is a refusal.

const refuses = async (what, _kind, call) => {
  try {
    await call();
  } catch {
    return "";
  }
  return `${what}: went through; `;
};

/** Runs `attack` or `control` of a case's package; says what it came to. */
export async function come(suspect, a, { what, base, server, shared }) {
  const help = { a, base, server, shared, refuses, denied: (name, call) => refuses(name, "", call) };
  try {
    const gained = await suspect[what](help);
    return gained ? { came: "gained", detail: String(gained) } : { came: "nothing" };
  } catch (error) {
    return { came: "refused", detail: `${error?.name}: ${error?.message}` };
  }
}
