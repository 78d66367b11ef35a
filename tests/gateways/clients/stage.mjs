// What the test has set up, and the command line beside the server.
import { execFileSync } from "node:child_process";

const set = process.env;
export const issuer = new URL(set.ISSUER);
// Id and text of a key with keybearer:verify, and of one with orders:read.
export const verifier = { id: set.VERIFIER_ID, key: set.VERIFIER_KEY };
export const client = { id: set.CLIENT_ID, key: set.CLIENT_KEY };
export const keybearer = (...words) => execFileSync(set.KEYBEARER, words, { encoding: "utf8", stdio: "pipe" });
