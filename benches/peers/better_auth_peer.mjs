// better-auth's API-key plugin on better-sqlite3, asked in process: no router of its own in the way.
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import Database from "better-sqlite3";

const KEYS = 1000;
const FILE = "better-auth-peer.db";
for (const suffix of ["", "-wal", "-shm"]) rmSync(FILE + suffix, { force: true });
const database = new Database(FILE);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = NORMAL");

const auth = betterAuth({
  database,
  baseURL: "http://127.0.0.1",
  secret: "a benchmark on loopback has no secret worth the name",
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  logger: { level: "error" },
  // The plugin's default limit of ten requests a day would measure refusals.
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();

const { user } = await auth.api.signUpEmail({
  body: { email: "bench@example.test", name: "Bench", password: "correct horse battery staple" },
});
const keys = [];
for (let index = 0; index < KEYS; index++) {
  const created = await auth.api.createApiKey({ body: { userId: user.id, name: `bench-${index}` } });
  keys.push(created.key);
}
writeFileSync(process.env.CREDENTIALS, keys.join("\n") + "\n");

createServer(async (request, response) => {
  const [scheme, key] = (request.headers.authorization ?? "").split(" ");
  try {
    const { valid } = await auth.api.verifyApiKey({ body: { key } });
    response.statusCode = scheme === "Bearer" && valid ? 200 : 401;
  } catch {
    response.statusCode = 500;
  }
  response.end();
}).listen(Number(process.env.PORT), "127.0.0.1");
