# python django_app.py        (port 8000 is this API, 8080 Keybearer; pip install django httpx)
from functools import wraps

import httpx
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.urls import path

# One client for all requests, so that connections are reused.
keybearer = httpx.Client(base_url="http://127.0.0.1:8080", timeout=1)
PASSED_ON = "content-type", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"
IDENTITY = "X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"


def needs(scope):
    def around(view):
        @wraps(view)
        def judged(request, *args, **kwargs):
            asked = {"X-Forwarded-For": request.META["REMOTE_ADDR"]}
            if authorization := request.META.get("HTTP_AUTHORIZATION"):
                asked["Authorization"] = authorization.encode("latin-1")
            try:
                verdict = keybearer.get("/auth", params={"scope": scope}, headers=asked)
            except httpx.HTTPError:
                return JsonResponse({"code": "unavailable"}, status=503, headers={"Retry-After": "1"})
            if verdict.status_code == 200:
                # Replaces what the client claims about itself. WSGI has one name for - and _.
                for name in IDENTITY:
                    request.META["HTTP_" + name.upper().replace("-", "_")] = verdict.headers[name]
                vars(request).pop("headers", None)  # made of META, perhaps before now
                return view(request, *args, **kwargs)
            status = verdict.status_code if verdict.status_code in (400, 401, 403, 429) else 503
            headers = {name: verdict.headers[name] for name in PASSED_ON if name in verdict.headers}
            return HttpResponse(verdict.text, status=status, headers=headers)

        return judged

    return around


@needs("orders:read")
def orders(request):
    return JsonResponse({"owner": request.headers["X-Auth-Owner"]})


# In a real project, the rest is in settings.py and urls.py.
urlpatterns = [path("orders", orders)]
if __name__ == "__main__":
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1", "api.test"], SECRET_KEY="unused here")
    execute_from_command_line(["django_app.py", "runserver", "--noreload", "127.0.0.1:8000"])
