// jose: an API that checks our signatures by itself, with the published keys alone, also across a rotation.
import assert from "node:assert/strict";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { client, issuer, keybearer } from "./stage.mjs";

// It keeps the keys that it has read, as an API in service does.
const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", issuer));

const token = async () => {
  const body = new URLSearchParams({ grant_type: "client_credentials", client_id: client.id, client_secret: client.key });
  const answer = await fetch(new URL("/oauth/token", issuer), { method: "POST", body });
  return (await answer.json()).access_token;
};
const identity = async () => {
  const headers = { authorization: `Bearer ${client.key}` };
  const answer = await fetch(new URL("/auth?identity=1", issuer), { headers });
  return answer.headers.get("x-auth-identity");
};
const access = { issuer: issuer.origin, audience: issuer.origin, typ: "at+jwt", algorithms: ["RS256"] };
const signed = { issuer: issuer.origin, typ: "identity+jwt", algorithms: ["EdDSA"], maxTokenAge: "60s" };

const check = async (jwt) => {
  const { payload } = await jwtVerify(jwt, keys, access);
  assert.deepEqual([payload.sub, payload.scope], [client.id, "orders:read"]);
};
const checkIdentity = async (jwt) => {
  const { payload } = await jwtVerify(jwt, keys, signed);
  assert.deepEqual([payload.client_id, payload.username, payload.scope], [client.id, "ada@example.com", "orders:read"]);
  assert.ok(payload.exp - payload.iat <= 65);
};

const [before, identityBefore] = [await token(), await identity()];
await check(before);
await checkIdentity(identityBefore);
assert.equal(await identity(), identityBefore, "signed once for half its life");
// One kind is never taken for the other.
await assert.rejects(jwtVerify(before, keys, signed));
await assert.rejects(jwtVerify(identityBefore, keys, access));
await assert.rejects(jwtVerify(`${before.slice(0, -4)}AAAA`, keys, access));

const kid = (jwt) => decodeProtectedHeader(jwt).kid;
const until = async (holds) => {
  for (const end = Date.now() + 10_000; !(await holds()); ) assert.ok(Date.now() < end);
};
keybearer("signing-keys", "rotate");
await until(async () => kid(await token()) !== kid(before));
// The new keys were published before they signed: nobody has to read them anew.
await check(await token());
await check(before);
await until(async () => kid(await identity()) !== kid(identityBefore));
await checkIdentity(await identity());
await checkIdentity(identityBefore);
console.log("ok");
