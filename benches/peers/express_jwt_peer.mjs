// An express route behind the usual jsonwebtoken check. Argument: RS256 or ES256.
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import express from "express";
import jwt from "jsonwebtoken";

const TOKENS = 1000;
const algorithm = process.argv[2];
const { privateKey, publicKey } =
  algorithm === "RS256"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "P-256" });

const tokens = Array.from({ length: TOKENS }, (_, user) =>
  jwt.sign({ scope: "orders:read" }, privateKey, { algorithm, subject: `user-${user}`, expiresIn: "2h" }),
);
writeFileSync(process.env.CREDENTIALS, tokens.join("\n") + "\n");

const app = express();
app.get("/auth", (request, response) => {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  if (scheme !== "Bearer") return response.status(401).end();
  try {
    jwt.verify(token, publicKey, { algorithms: [algorithm] });
  } catch {
    return response.status(401).end();
  }
  response.status(200).end();
});
app.listen(Number(process.env.PORT), "127.0.0.1");
