# flask --app flask_app run --port 8000        (port 8080 is Keybearer; pip install flask httpx)
from functools import wraps

import httpx
from flask import Flask, Response, request

# One client for all requests, so that connections are reused.
keybearer = httpx.Client(base_url="http://127.0.0.1:8080", timeout=1)
PASSED_ON = "content-type", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"
IDENTITY = "X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"


def needs(scope):
    def around(view):
        @wraps(view)
        def judged(*args, **kwargs):
            asked = {"X-Forwarded-For": request.remote_addr}
            if authorization := request.headers.get("Authorization"):
                asked["Authorization"] = authorization.encode("latin-1")
            try:
                verdict = keybearer.get("/auth", params={"scope": scope}, headers=asked)
            except httpx.HTTPError:
                return {"code": "unavailable"}, 503, {"Retry-After": "1"}
            if verdict.status_code == 200:
                # Replaces what the client claims about itself. WSGI has one name for - and _.
                for name in IDENTITY:
                    request.environ["HTTP_" + name.upper().replace("-", "_")] = verdict.headers[name]
                return view(*args, **kwargs)
            status = verdict.status_code if verdict.status_code in (400, 401, 403, 429) else 503
            headers = {name: verdict.headers[name] for name in PASSED_ON if name in verdict.headers}
            return Response(verdict.text, status, headers)

        return judged

    return around


app = Flask(__name__)


@app.get("/orders")
@needs("orders:read")
def orders():
    return {"owner": request.headers["X-Auth-Owner"]}
