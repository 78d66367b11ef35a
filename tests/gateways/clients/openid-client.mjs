// openid-client: discovery, client credentials, introspection, revocation; each way to authenticate.
import assert from "node:assert/strict";
import * as openid from "openid-client";
import { client, issuer, keybearer, verifier } from "./stage.mjs";

const discover = ({ id, key }, way) => openid.discovery(issuer, id, undefined, way(key), { algorithm: "oauth2" });

let jwt;
for (const way of [openid.ClientSecretBasic, openid.ClientSecretPost]) {
  const own = await discover(client, way);
  assert.equal(own.serverMetadata().issuer, issuer.origin);
  const tokens = await openid.clientCredentialsGrant(own, { scope: "orders:read", resource: "https://api.test/" });
  assert.deepEqual([tokens.token_type, tokens.scope, tokens.expires_in], ["bearer", "orders:read", 600]);
  jwt = tokens.access_token;

  const resourceServer = await discover(verifier, way);
  for (const token of [client.key, jwt]) {
    const introspected = await openid.tokenIntrospection(resourceServer, token, { token_type_hint: "access_token" });
    assert.equal(introspected.active, true);
    assert.deepEqual([introspected.client_id, introspected.scope, introspected.username], [client.id, "orders:read", "ada@example.com"]);
  }
  assert.deepEqual(await openid.tokenIntrospection(resourceServer, "unknown"), { active: false });
  await openid.tokenRevocation(resourceServer, "unknown");

  await assert.rejects(openid.clientCredentialsGrant(own, { scope: "orders:write" }), { error: "invalid_scope" });
  await assert.rejects(openid.tokenRevocation(resourceServer, client.key), { error: "unauthorized_client" });
  await assert.rejects(openid.tokenRevocation(own, jwt), { error: "unsupported_token_type" });
  const stranger = await discover({ id: client.id, key: "wrong" }, way);
  await assert.rejects(openid.clientCredentialsGrant(stranger), (error) => error.cause?.[0]?.scheme === "basic");
}

const own = await discover(client, openid.ClientSecretBasic);
await openid.tokenRevocation(own, client.key);
const resourceServer = await discover(verifier, openid.ClientSecretBasic);
for (const token of [client.key, jwt]) {
  assert.deepEqual(await openid.tokenIntrospection(resourceServer, token), { active: false });
}
await assert.rejects(openid.clientCredentialsGrant(own));
keybearer("check");
console.log("ok");
