// npm: jose@6.2.18
// note: it needs `random` to generate keys and to encrypt
// prints: .eyJjbGFpbSI6dHJ1ZSwiaWF0IjowLCJpc3MiOiJtZSJ9.vSEhtdkAsLvWM5N-cLIb4R17AOMkKoRmcAoF93Ng_6c
// prints: {"claim":true,"iat":0,"iss":"me"}
import * as jose from "jose";

const secret = new TextEncoder().encode("cc7e0d44fd473002f1c42167459001140ec6389b7353f8088f4d9a95f2f596f2");
const jwt = await new jose.SignJWT({ claim: true })
  .setProtectedHeader({ alg: "HS256" })
  .setIssuedAt(0)
  .setIssuer("me")
  .sign(secret);
console.log(jwt.slice(jwt.indexOf(".")));
const { payload } = await jose.jwtVerify(jwt, secret, { issuer: "me", currentDate: new Date(1000) });
console.log(JSON.stringify(payload));
