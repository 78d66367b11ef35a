"""fastmcp: an MCP server that takes our keys by introspection, and our JWTs by their signature."""

import asyncio
import base64
import json
import urllib.parse
import urllib.request

from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from fastmcp.server.auth.providers.jwt import JWTVerifier

from stage import CLIENT, ISSUER, VERIFIER, revoke


def token():
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "orders:read"}).encode()
    request = urllib.request.Request(f"{ISSUER}/oauth/token", form)
    request.add_header("Authorization", "Basic " + base64.b64encode(":".join(CLIENT).encode()).decode())
    return json.load(urllib.request.urlopen(request))["access_token"]


async def main():
    jwt = token()
    for method in ("client_secret_basic", "client_secret_post"):
        asking = IntrospectionTokenVerifier(
            introspection_url=f"{ISSUER}/oauth/introspect",
            client_id=VERIFIER[0],
            client_secret=VERIFIER[1],
            client_auth_method=method,
            required_scopes=["orders:read"],
        )
        for good in (CLIENT[1], jwt):
            claims = await asking.verify_token(good)
            assert claims and (claims.client_id, claims.scopes) == (CLIENT[0], ["orders:read"]), claims
        assert await asking.verify_token("unknown") is None
        # Its own scope is another.
        assert await asking.verify_token(VERIFIER[1]) is None

    checking = JWTVerifier(
        jwks_uri=f"{ISSUER}/.well-known/jwks.json", issuer=ISSUER, audience=ISSUER, required_scopes=["orders:read"]
    )
    claims = await checking.verify_token(jwt)
    assert claims and claims.client_id == CLIENT[0], claims
    assert await checking.verify_token(jwt[:-4]) is None
    elsewhere = JWTVerifier(jwks_uri=f"{ISSUER}/.well-known/jwks.json", issuer=ISSUER, audience="https://other.test")
    assert await elsewhere.verify_token(jwt) is None

    revoke(CLIENT[0])
    for gone in (CLIENT[1], jwt):
        assert await asking.verify_token(gone) is None


asyncio.run(main())
print("ok")
