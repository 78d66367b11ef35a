"""Authlib: as a client (credentials, introspection, revocation), and as a resource server by both ways."""

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6750.errors import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

from stage import CLIENT, ISSUER, VERIFIER, revoke

METADATA = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server").json()
known = AuthorizationServerMetadata(METADATA)
known.validate_issuer()
known.validate_token_endpoint()
known.validate_jwks_uri()
known.validate_introspection_endpoint()
known.validate_revocation_endpoint()


def fails(kind, act, *arguments):
    try:
        act(*arguments)
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


class ByIntrospection(IntrospectTokenValidator):
    def introspect_token(self, token_string):
        answer = session(VERIFIER).introspect_token(METADATA["introspection_endpoint"], token=token_string)
        answer.raise_for_status()
        return answer.json()


class ByJwks(JWTBearerTokenValidator):
    def get_jwks(self):
        return requests.get(METADATA["jwks_uri"]).json()


def session(client, method="client_secret_basic"):
    return OAuth2Session(*client, token_endpoint_auth_method=method)


tokens = {}
for method in METADATA["token_endpoint_auth_methods_supported"]:
    tokens = session(CLIENT, method).fetch_token(METADATA["token_endpoint"], scope="orders:read")
    assert (tokens["token_type"], tokens["scope"], tokens["expires_in"]) == ("Bearer", "orders:read", 600), tokens
jwt = tokens["access_token"]

introspecting = ByIntrospection()
for token in (CLIENT[1], jwt):
    introspected = introspecting.authenticate_token(token)
    assert introspected["client_id"] == CLIENT[0] and introspected["username"] == "ada@example.com", introspected
    introspecting.validate_token(introspected, ["orders:read"], None)
    fails(InsufficientScopeError, introspecting.validate_token, introspected, ["orders:write"], None)
assert introspecting.authenticate_token("unknown") == {"active": False}

checking = ByJwks(issuer=ISSUER, resource_server=ISSUER)
claims = checking.authenticate_token(jwt)
checking.validate_token(claims, ["orders:read"], None)
assert claims["sub"] == CLIENT[0], claims
fails(InsufficientScopeError, checking.validate_token, claims, ["orders:write"], None)
elsewhere = ByJwks(issuer=ISSUER, resource_server="https://other.test")
fails(InvalidTokenError, elsewhere.validate_token, elsewhere.authenticate_token(jwt), ["orders:read"], None)

# A key revokes itself; what it got for itself is inactive at once.
answer = session(CLIENT).revoke_token(METADATA["revocation_endpoint"], token=CLIENT[1])
assert answer.status_code == 200, answer.text
for token in (CLIENT[1], jwt):
    fails(InvalidTokenError, introspecting.validate_token, introspecting.authenticate_token(token), [], None)
revoke(VERIFIER[0])
fails(requests.HTTPError, introspecting.authenticate_token, jwt)
print("ok")
