"""Keeps the run from sawing off its own branch: a sequence of requests finds the run's own key in a
list, and would revoke it or take its scopes. Any other id is fair game."""

import os
import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    parameters = case.path_parameters or {}
    changes = case.method.upper() != "GET"
    if changes and parameters.get("id") == os.environ["KEY_ID"]:
        parameters["id"] = str(uuid.uuid4())
