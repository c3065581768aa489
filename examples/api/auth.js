// Tokens of users. The package `jose` signs them with a key that it cannot read.
import { clock, secrets } from "cap:self";
import { SignJWT, jwtVerify } from "jose";

const key = await secrets.key("API", "HMAC-SHA-256");

// Each password is derived from the secret, so that the example needs no list of users.
const passwordOf = async (user) => {
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(`password of ${user}`));
  return new Uint8Array(signature).toHex().slice(0, 16);
};

/** Returns a token for the user, or null if the password is wrong. */
export const signIn = async (user, password) => {
  if (typeof user !== "string" || !/^[a-z]{1,32}$/.test(user) || password !== await passwordOf(user)) return null;
  const now = Math.floor(clock.now() / 1000);
  return new SignJWT({}).setProtectedHeader({ alg: "HS256" }).setSubject(user).setIssuedAt(now).setExpirationTime(now + 3600).sign(key);
};

/** Returns the user of a request's header, or null. */
export const userOf = async (authorization) => {
  const token = /^Bearer (\S+)$/.exec(authorization ?? "")?.[1];
  if (token === undefined) return null;
  try {
    const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"], currentDate: new Date(clock.now()) });
    return payload.sub;
  } catch {
    return null;
  }
};
