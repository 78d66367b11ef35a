// oauth4webapi: the same in its own words, and the check of an access token by RFC 9068.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { client, issuer, keybearer, verifier } from "./stage.mjs";

const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2" });
const server = await oauth.processDiscoveryResponse(issuer, found);

const own = { client_id: client.id };
const grant = async (parameters) => {
  const answer = await oauth.clientCredentialsGrantRequest(server, own, oauth.ClientSecretBasic(client.key), parameters);
  return oauth.processClientCredentialsResponse(server, own, answer);
};
const audience = "https://api.test/orders";
const { access_token: jwt } = await grant({ scope: "orders:read", resource: audience });

const request = (token) => new Request(audience, { headers: { authorization: `Bearer ${token}` } });
const claims = await oauth.validateJwtAccessToken(server, request(jwt), audience);
assert.deepEqual([claims.sub, claims.client_id, claims.scope], [client.id, client.id, "orders:read"]);
await assert.rejects(oauth.validateJwtAccessToken(server, request(jwt), "https://other.test"));
await assert.rejects(oauth.validateJwtAccessToken(server, request(`${jwt.slice(0, -4)}AAAA`), audience));

const asking = { client_id: verifier.id };
const introspect = async (token) => {
  const proof = oauth.ClientSecretPost(verifier.key);
  const answer = await oauth.introspectionRequest(server, asking, proof, token);
  return oauth.processIntrospectionResponse(server, asking, answer);
};
const introspected = await introspect(jwt);
assert.deepEqual([introspected.active, introspected.aud, introspected.jti, introspected.iss], [true, audience, claims.jti, issuer.origin]);

await assert.rejects(grant({ resource: "nonsense" }), { error: "invalid_target" });
const doubled = [["scope", "orders:read"], ["scope", "orders:read"]];
await assert.rejects(grant(new URLSearchParams(doubled)), { error: "invalid_request" });

const revoke = async (proof, who, token) =>
  oauth.processRevocationResponse(await oauth.revocationRequest(server, who, proof, token));
await assert.rejects(revoke(oauth.ClientSecretBasic(verifier.key), asking, client.key), { error: "unauthorized_client" });
assert.equal((await introspect(client.key)).active, true);
keybearer("keys", "disable", client.id);
assert.deepEqual(await introspect(jwt), { active: false });
keybearer("keys", "enable", client.id);
assert.equal((await introspect(jwt)).active, true);
await revoke(oauth.ClientSecretBasic(client.key), own, client.key);
assert.deepEqual(await introspect(jwt), { active: false });
assert.deepEqual(await introspect(client.key), { active: false });
console.log("ok");
