"""What a schema cannot tell Schemathesis: three values that only make sense if they are made on purpose.

Nothing here accepts a failure; it only keeps requests from being refused for no fault of the server,
which would leave the code behind the refusal untested. What was made malformed on purpose stays so.
"""

import uuid

import schemathesis
from hypothesis import strategies
from schemathesis.core.parameters import ParameterLocation

# The coverage phase builds header values from letters and digits only, and gives up on a pattern that
# wants a quotation mark; it then sends `0` as If-None-Match and calls the request valid. A format of
# its own is the one thing that it does not narrow. It exists during the run only, not in the document.
ENTITY_TAG = "loti-entity-tag"
ENTITY_TAG_HEADERS = ("if-match", "if-none-match")
schemathesis.openapi.format(ENTITY_TAG, strategies.from_regex(r'"[0-9a-f]{1,16}"', fullmatch=True))


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for parameter in parameters(raw_schema):
        if parameter.get("in") == "header" and parameter.get("name", "").lower() in ENTITY_TAG_HEADERS:
            parameter.get("schema", {})["format"] = ENTITY_TAG


def parameters(document):
    yield from document.get("components", {}).get("parameters", {}).values()
    for path in document.get("paths", {}).values():
        yield from path.get("parameters", ())
        for operation in path.values():
            if isinstance(operation, dict):
                yield from operation.get("parameters", ())


# Cursors are opaque, so no pattern tells a good one from a bad one and a made-up one is a 400. Those
# that the server handed out are kept; links and the list's own answers bring them back.
handed_out = set()


@schemathesis.hook
def after_call(context, case, response):
    try:
        cursor = response.json().get("nextCursor")
    except (ValueError, AttributeError):
        return
    if isinstance(cursor, str):
        handed_out.add(cursor)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None:
        return
    positive = not case.meta.generation.mode.is_negative
    if positive and case.query and case.query.get("cursor", "") not in handed_out:
        case.query.pop("cursor", None)
    # The document's example key would be sent again and again with other bodies: 422 each time, and
    # neither a creation nor a faulty body tested. A key means one request, so each has its own.
    if not case.meta.is_negative_at(ParameterLocation.HEADER):
        for name in list(case.headers or {}):
            if name.lower() == "idempotency-key":
                case.headers[name] = str(uuid.uuid4())
