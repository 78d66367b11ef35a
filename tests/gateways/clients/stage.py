"""What the test has set up, and the command line beside the server."""

import os
import subprocess

ISSUER = os.environ["ISSUER"]
# Id and text of a key with keybearer:verify, and of one with orders:read.
VERIFIER = (os.environ["VERIFIER_ID"], os.environ["VERIFIER_KEY"])
CLIENT = (os.environ["CLIENT_ID"], os.environ["CLIENT_KEY"])


def keybearer(*words):
    return subprocess.run([os.environ["KEYBEARER"], *words], check=True, capture_output=True, text=True).stdout


def revoke(key_id):
    keybearer("keys", "revoke", key_id)
