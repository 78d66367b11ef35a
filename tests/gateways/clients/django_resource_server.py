"""django-oauth-toolkit as a resource server that asks by introspection."""

import time

import django
from django.conf import settings

from stage import CLIENT, ISSUER, VERIFIER, keybearer, revoke

settings.configure(
    ALLOWED_HOSTS=["testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of this test alone",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "RESOURCE_SERVER_INTROSPECTION_URL": f"{ISSUER}/oauth/introspect",
        "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": VERIFIER,
        # How long a revoked key still passes; 0 would refuse every key. The default is ten hours.
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": 1,
        "SCOPES": {"orders:read": "", "orders:write": ""},
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from oauth2_provider.decorators import protected_resource  # noqa: E402


@protected_resource(scopes=["orders:read"])
def read(request):
    return JsonResponse({"owner": request.resource_owner.username})


@protected_resource(scopes=["orders:write"])
def write(request):
    return JsonResponse({})


urlpatterns = [path("read", read), path("write", write)]
call_command("migrate", verbosity=0)


def ask(where, key):
    return Client().get(where, headers={"authorization": f"Bearer {key}"})


answer = ask("/read", CLIENT[1])
assert (answer.status_code, answer.json()) == (200, {"owner": "ada@example.com"}), answer.content
assert ask("/write", CLIENT[1]).status_code == 403
assert ask("/read", "unknown").status_code == 403
assert Client().get("/read").status_code == 403

revoke(CLIENT[0])
patience = time.monotonic() + 10
while ask("/read", CLIENT[1]).status_code == 200:
    assert time.monotonic() < patience, "a revoked key passes for longer than it is cached"

# The same with a bearer key instead of id and secret.
from oauth2_provider.settings import oauth2_settings  # noqa: E402

oauth2_settings.RESOURCE_SERVER_INTROSPECTION_CREDENTIALS = None
oauth2_settings.RESOURCE_SERVER_AUTH_TOKEN = VERIFIER[1]
another = keybearer("keys", "create", "--owner", "ada@example.com", "--name", "x", "--scope", "orders:write").strip()
assert ask("/write", another).status_code == 200
print("ok")
