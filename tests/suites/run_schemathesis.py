"""Runs schemathesis against a service: `run_schemathesis.py scim|operators SECONDS URL`.

The service has the tenant `acme`, whose token is in MUSTER_TOKEN; MUSTER_OPERATOR_TOKEN is an operator's. The document
is the service's own `/openapi.json`, with the bodies of answers closed: what the document does not have must not be
answered. Requests come from a fixed seed. Ends with 1 on any 5xx and on any breach of the document.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

SEED = 7644
# A tolerant reader takes more than its document says: dialects of providers, attributes that no schema has, read-only
# values of any kind. What is refused is held by the tests of bad input.
NOT_OF_SCIM = ["negative_data_rejection"]
# A document cannot say that a filter, a path or a name has to be well formed and free; 400 is an answer to those.
ACCEPTED = ["2xx", "400", "401", "403", "404", "409", "412"]


def main(part, seconds, url):
    operator = os.environ["MUSTER_OPERATOR_TOKEN"]
    document = ask(url, "GET", "/openapi.json")
    close(document)
    config = CONFIGS[part](url, operator)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "openapi.json").write_text(json.dumps(document))
        (folder / "schemathesis.toml").write_text(COMMON + config)
        run = [sys.executable, "-S", "-s", "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
        run += ["--config-file", "schemathesis.toml", "--no-color", "run", "openapi.json", "--url", url]
        run += ["--seed", str(SEED), "--max-time", seconds, "--generation-database", "none"]
        run += ["--exclude-checks", ",".join(NOT_OF_SCIM)] if part == "scim" else []
        return subprocess.run(run, cwd=folder).returncode


COMMON = f"""
continue-on-failure = true
warnings = false
request-timeout = 30
checks.positive_data_acceptance.expected-statuses = {json.dumps(ACCEPTED)}
"""


def scim(url, operator):
    return """
headers = { Authorization = "Bearer ${MUSTER_TOKEN}" }
parameters = { "path.tenant" = "acme" }

[[operations]]
exclude-tag = ["SCIM", "Discovery", "Health"]
enabled = false
"""


def operators(url, operator):
    """What is closed or revoked in the course of it is not what it works with."""
    for tenant in ("fuzzed", "closing"):
        ask(url, "POST", "/admin/v1/tenants", operator, {"tenant": tenant})
    return """
headers = { Authorization = "Bearer ${MUSTER_OPERATOR_TOKEN}" }
parameters = { "path.tenant" = "fuzzed" }

[[operations]]
exclude-tag = ["Administration", "Audit"]
enabled = false

[[operations]]
include-operation-id = "closeTenant"
parameters = { "path.tenant" = "closing" }

[[operations]]
include-operation-id = "revokeOperator"
parameters = { "path.operator" = "nobody" }
"""


CONFIGS = {"scim": scim, "operators": operators}


def ask(url, method, path, token=None, body=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data, headers, method=method)) as answer:
        return json.load(answer)


def close(document):
    """Forbids what is not named, in everything that is answered."""
    for name, schema in document["components"]["schemas"].items():
        if not name.endswith("Request"):
            close_objects(schema)


def close_objects(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            close_objects(part)
    elif isinstance(schema, list):
        for part in schema:
            close_objects(part)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
