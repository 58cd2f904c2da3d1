"""Runs scim2-tester against a SCIM base URL: `run_scim2_tester.py URL`, with the token in MUSTER_TOKEN.

Prints one line for each check and ends with 1 if one fails. Where the suite asks for something else than the RFCs
do, or than this service provider promises, it is named below with the reason. An exception that is not needed any
more is a failure too.
"""

import collections
import json
import os
import sys

import httpx2
import scim2_tester
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import BaseModel, ComplexAttribute, Mutability
from scim2_tester import Status
from scim2_tester.checkers import patch_add, patch_replace

# Keys that the suite does not know and refuses; they are taken out of the answer before it sees them.
UNKNOWN_KEYS = {
    ("/ServiceProviderConfig", "securityEvents"): "RFC 9967 section 4; scim2-models knows RFC 7643 and 9865",
}
# Checks that fail as they must, by their title, resource type and a word of their reason.
EXPECTED = {
    ("check_remove_attribute", "User", "'active'"): (
        "a PATCH that takes `active` away leaves it as it is, so that nobody who left comes back by omission "
        "(docs/scim-conformance.md)"
    ),
}
# RFC 7643 section 7: a read-only sub-attribute is the service provider's, here the `display` of a member. The suite
# compares what it sent with what it is answered, and counts what was added as a difference.
READ_ONLY_PARTS = "read-only sub-attributes are not compared with what was sent"

PASSED = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}


class Transport(httpx2.HTTPTransport):
    """Takes unknown keys out of answers, and remembers which were there."""

    def __init__(self):
        super().__init__()
        self.taken = set()

    def handle_request(self, request):
        answer = super().handle_request(request)
        body = answer.read()
        for path, key in UNKNOWN_KEYS:
            if request.url.path.endswith(path) and answer.status_code == 200:
                document = json.loads(body)
                if document.pop(key, None) is not None:
                    self.taken.add((path, key))
                body = json.dumps(document).encode()
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "content-length"]
        return httpx2.Response(answer.status_code, headers=headers, content=body)


def comparison(used):
    """The suite's comparison, blind to read-only parts of complex values."""

    def written(value):
        if isinstance(value, list):
            return [written(element) for element in value]
        if isinstance(value, ComplexAttribute):
            value = value.model_copy()
            for name in type(value).model_fields:
                if type(value).get_field_annotation(name, Mutability) == Mutability.read_only:
                    setattr(value, name, None)
        return value.model_dump() if isinstance(value, BaseModel) else value

    original = patch_add.fields_equality

    def equality(expected, actual):
        if original(expected, actual):
            return True
        equal = written(expected) == written(actual)
        used.update([READ_ONLY_PARTS] if equal else [])
        return equal

    return equality


def main(url):
    used = set()
    patch_add.fields_equality = patch_replace.fields_equality = comparison(used)
    transport = Transport()
    headers = {"Authorization": f"Bearer {os.environ['MUSTER_TOKEN']}"}
    client = SyncSCIMClient(httpx2.Client(base_url=url, headers=headers, transport=transport))
    failures = []
    counts = collections.Counter()
    for result in scim2_tester.check_server(client):
        reason = str(result.reason)
        excused = [
            key
            for key in EXPECTED
            if (result.title, result.resource_type) == key[:2] and key[2] in reason
        ]
        status = result.status.name
        if result.status not in PASSED:
            if excused:
                status = "EXPECTED"
                used.update(excused)
            else:
                failures.append(f"{result.title} of {result.resource_type}: {reason}")
        counts[status] += 1
        print(f"{status:<10} {result.resource_type or '-':<6} {result.title}")
    exceptions = set(EXPECTED) | {READ_ONLY_PARTS}
    failures += [f"the exception is not needed: {exception}" for exception in exceptions - used]
    failures += [f"the key is not there: {key}" for key in set(UNKNOWN_KEYS) - transport.taken]
    print(dict(counts))
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
