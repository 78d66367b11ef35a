// node express_app.mjs        (port 8000 is this API, 8080 Keybearer; npm install express; Node.js 20 or later)
import express from 'express';

const PASSED_ON = ['content-type', 'www-authenticate', 'retry-after', 'ratelimit', 'ratelimit-policy'];
const IDENTITY = ['x-auth-key-id', 'x-auth-owner', 'x-auth-owner-id', 'x-auth-scopes', 'x-auth-identity'];

// Node's fetch keeps its connections open.
const needs = (scope) => async (request, response, next) => {
  const asked = { 'X-Forwarded-For': request.socket.remoteAddress };
  if (request.headers.authorization) asked.Authorization = request.headers.authorization;
  const url = `http://127.0.0.1:8080/auth?scope=${encodeURIComponent(scope)}`;
  let verdict, body;
  try {
    verdict = await fetch(url, { headers: asked, redirect: 'error', signal: AbortSignal.timeout(1000) });
    body = await verdict.text();
  } catch {
    return response.status(503).set('Retry-After', '1').json({ code: 'unavailable' });
  }
  if (verdict.status === 200) {
    // Replaces what the client claims about itself.
    for (const name of IDENTITY) request.headers[name] = verdict.headers.get(name) ?? '';
    return next();
  }
  response.status([400, 401, 403, 429].includes(verdict.status) ? verdict.status : 503);
  for (const name of PASSED_ON) if (verdict.headers.has(name)) response.set(name, verdict.headers.get(name));
  response.send(body);
};

const app = express();
app.get('/orders', needs('orders:read'), (request, response) => {
  response.json({ owner: request.get('X-Auth-Owner') });
});
app.listen(8000, '127.0.0.1');
