# uvicorn fastapi_app:app --port 8000 --no-proxy-headers        (port 8080 is Keybearer; pip install fastapi httpx uvicorn)
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Request

# One client for all requests, so that connections are reused.
keybearer = httpx.AsyncClient(base_url="http://127.0.0.1:8080", timeout=1)
PASSED_ON = "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"
IDENTITY = "x-auth-key-id", "x-auth-owner", "x-auth-owner-id", "x-auth-scopes", "x-auth-identity"


def needs(scope: str):
    async def judge(request: Request) -> None:
        asked = {"X-Forwarded-For": request.client.host}
        if authorization := request.headers.get("authorization"):
            asked["Authorization"] = authorization.encode("latin-1")
        try:
            verdict = await keybearer.get("/auth", params={"scope": scope}, headers=asked)
        except httpx.HTTPError:
            raise HTTPException(503, "unavailable", {"Retry-After": "1"})
        if verdict.status_code == 200:
            # Replaces what the client claims about itself, in any spelling.
            lines = request.scope["headers"]
            own = [line for line in lines if line[0].decode("latin-1").replace("_", "-") not in IDENTITY]
            lines[:] = own + [(name.encode(), verdict.headers[name].encode()) for name in IDENTITY]
            return
        status = verdict.status_code if verdict.status_code in (400, 401, 403, 429) else 503
        headers = {name: verdict.headers[name] for name in PASSED_ON if name in verdict.headers}
        raise HTTPException(status, verdict.json()["code"], headers)

    return Depends(judge)


app = FastAPI()


@app.get("/orders", dependencies=[needs("orders:read")])
async def orders(x_auth_owner: Annotated[str, Header()]):
    return {"owner": x_auth_owner}
