"""What a schema cannot tell Schemathesis: values that only make sense if they are made on purpose.

Nothing here accepts a failure; it only keeps requests from being refused for no fault of the server,
which would leave the code behind the refusal untested. What was made malformed on purpose stays so.
"""

import json
import uuid
from datetime import datetime, timedelta

import schemathesis
from hypothesis import strategies
from schemathesis.core.parameters import ParameterLocation

# The coverage phase builds header values from letters and digits only, and gives up on a pattern that
# wants a quotation mark; it then sends `0` as If-None-Match and calls the request valid. A format of
# its own is the one thing that it does not narrow. It exists during the run only, not in the document.
ENTITY_TAG = "loti-entity-tag"
ENTITY_TAG_HEADERS = ("if-match", "if-none-match")
schemathesis.openapi.format(ENTITY_TAG, strategies.from_regex(r'"[0-9a-f]{1,16}"', fullmatch=True))


# The document says `format: spdx`; this says what such texts are.
LICENCES = ("MIT", "AGPL-3.0-or-later", "GPL-3.0", "Apache-2.0 OR MIT", "EUPL-1.2", "(MPL-2.0 AND CC-BY-4.0)")
schemathesis.openapi.format("spdx", strategies.sampled_from(LICENCES))


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for schema in raw_schema.get("components", {}).get("schemas", {}).values():
        licence = schema.get("properties", {}).get("licence", {})
        if licence.get("format") == "spdx":
            # Texts of a length just within bounds are no licences.
            licence.pop("minLength", None)
            licence.pop("maxLength", None)
    for path in raw_schema.get("paths", {}).values():
        for operation in path.values():
            file = operation.get("responses", {}).get("200", {}).get("content", {}).get(YAML)
            if file:
                # Schemathesis takes YAML apart before it looks at the schema, which speaks of the file as a text.
                # That the file is one is for our own tests to show.
                file.pop("schema")
    for parameter in parameters(raw_schema):
        if parameter.get("in") == "header" and parameter.get("name", "").lower() in ENTITY_TAG_HEADERS:
            parameter.get("schema", {})["format"] = ENTITY_TAG


# The body of a PUT of publiccode.yml is a text, so it is sent as it stands. No pattern can say which texts are such
# files: well-formed requests send the document's own example.
YAML = "application/yaml"
PUBLICCODE = "/products/{id}/publiccode"


# Of an OSCAL catalog or profile the document says only that it is one; what NIST asks of it no schema here repeats.
OSCAL = ("/frameworks/{id}/oscal", "/checklists/{id}/oscal")


# A file of evidence is bytes, each of which is a character in this; it begins as files of its type do.
EVIDENCE = "/evidence/{id}/content"
BEGINNINGS = {
    "application/pdf": "%PDF-1.7\n",
    "image/png": "\x89PNG\r\n\x1a\n",
    "image/jpeg": "\xff\xd8\xff",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "PK\x03\x04",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "PK\x03\x04",
    "application/vnd.oasis.opendocument.text": "PK\x03\x04",
    "application/vnd.oasis.opendocument.spreadsheet": "PK\x03\x04",
}


@schemathesis.serializer(*BEGINNINGS)
def bytes_from_characters(context, value):
    return (value if isinstance(value, str) else "").encode("latin-1", "replace")


# Under each name that Schemathesis knows YAML by: it takes the first of the family.
@schemathesis.serializer("text/yaml", "text/x-yaml", "text/vnd.yaml", "text/yml", "application/x-yaml", YAML)
def yaml_as_text(context, value):
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass")


# The files of an import are texts, too; of what is no text there is nothing to send. Of CSV, only what has the columns
# that are needed is well-formed.
CSV = "text/csv"


@schemathesis.serializer(CSV, "application/x-ndjson")
def rows_as_text(context, value):
    return (value if isinstance(value, str) else "").encode("utf-8", "surrogatepass")


# What comes back as one of these is a text, as its schema says.
@schemathesis.deserializer(CSV, "text/calendar", "application/atom+xml", "text/html", "text/markdown")
def rows_from_text(context, response):
    return response.content.decode("utf-8")


# What is no text is bytes, each of which is a character in this.
@schemathesis.deserializer(*BEGINNINGS)
def archive_from_bytes(context, response):
    return response.content.decode("latin-1")


def example_file(operation, media_type):
    return operation.definition.raw["requestBody"]["content"][media_type]["example"]


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


# Rules over two fields at once, which JSON Schema cannot say: a code has the form of its scheme, an end
# does not come before its start (of an event, it comes later), a currency is that of an amount, Entra ID's issuers name
# a tenant.
TENANT = "https://login.microsoftonline.com/8a21c6b0-e47f-4d32-9f0c-8d7be1a94f3d/v2.0"
CODES = {"GB-LAC": "E09000012", "GB-NHS": "R1H", "GB-COH": "01234567", "SWA": "20"}


def make_consistent(body, changes):
    for identifier in body.get("identifiers") or ():
        if isinstance(identifier, dict) and identifier.get("scheme") in CODES:
            identifier["id"] = CODES[identifier["scheme"]]
    if "startTime" not in body:
        in_order(body, changes, "startsOn", "endsOn")
    in_order(body, changes, "since", "until")
    takes_an_hour(body)
    in_order(body, changes, "votesOpenAt", "votesCloseAt")
    recurs(body)
    fits_together(body)
    fills_in(body)
    contract = body.get("contract")
    if isinstance(contract, dict):
        in_order(contract, changes, "startsOn", "endsOn", "extendableUntil")
        in_what = contract.get("currency") or (changes and "amountPence" in contract)
        if in_what and contract.get("amountPence") is None:
            contract["amountPence"] = 1
    if "issuer" in body and (body.get("kind") != "openid_connect" or not str(body["issuer"]).startswith("https:")):
        body["issuer"] = TENANT


def takes_an_hour(body):
    """Ends an event an hour after it starts, where both can be read."""
    start = body.get("startsAt") or body.get("endsAt")
    try:
        end = datetime.fromisoformat(start) + timedelta(hours=1)
    except (TypeError, ValueError, OverflowError):
        return
    body.update(startsAt=start, endsAt=end.isoformat())


# No pattern can say which texts are names of time zones, or rules that ever come.
RULES = ("FREQ=MONTHLY;BYDAY=3TH", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH", "FREQ=YEARLY;COUNT=3", "FREQ=DAILY;UNTIL=20990101")


def recurs(body):
    """Says of a series when and where it takes place; of an event, in which time zone."""
    if "timeZone" in body:
        body["timeZone"] = "Europe/London"
    if "rrule" in body:
        body["rrule"] = RULES[len(body["rrule"]) % len(RULES)]
    if "startTime" in body and "startsOn" in body:
        body["startsOn"] = "2027-01-21"
    if ("rrule" in body or "venue" in body) and not body.get("venue") and not body.get("onlineUrl"):
        body["venue"] = {"name": "City Hall"}


def fits_together(body):
    """Gives clauses and variables of an agreement names of their own, and leaves out what would have to fit others."""
    for number, clause in enumerate(listed(body, "clauses")):
        clause["id"] = f"clause-{number}"
        clause.pop("parent", None)
        if isinstance(clause.get("body"), str):
            clause["body"] = clause["body"].replace("{", "(")
    for number, variable in enumerate(listed(body, "variables")):
        variable["name"] = f"variable_{number}"
        for field in ("minimum", "maximum", "pattern", "requiredIf", "options"):
            variable.pop(field, None)
        if variable.get("kind") == "enum":
            variable["options"] = [{"value": "rooftop", "label": "On the roof"}]


def fills_in(body):
    """Makes a lease from the template of the demonstration catalogue, and says of it what that understands."""
    standard = any(field in body for field in ("authority", "edition", "checklist"))
    if not standard and "organisation" in body and any(field in body for field in ("parties", "startsOn", "supersedes")):
        body["template"] = {"template": "rooftop-wayleave", "number": "1.0.0"}
        body.pop("supersedes", None)
    if listed(body, "values"):
        body["values"] = [{"variable": "term", "value": "P10Y"}]
    if listed(body, "parties"):
        body["parties"] = body["parties"][:1]
    if listed(body, "deviations"):
        body["deviations"] = [{"clause": "social-value", "body": "None.", "reason": "It is small."}]
    for number, premises in enumerate(listed(body, "premises")):
        premises["uprn"] = str(number + 1)


def listed(body, field):
    items = body.get(field)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def in_order(body, changes, *names):
    """Sorts the dates under these names. What changes a resource states all or none: those that it leaves are unknown."""
    given = sorted(body[name] for name in names if body.get(name))
    if given and changes:
        given += given[-1:] * (len(names) - len(given))
        body.update(zip(names, given))
    else:
        body.update(zip((name for name in names if body.get(name)), given))


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None:
        return
    positive = not case.meta.generation.mode.is_negative
    if positive and isinstance(case.body, dict):
        make_consistent(case.body, case.method == "PATCH")
    if positive and case.path == PUBLICCODE and isinstance(case.body, str):
        case.body = example_file(case.operation, YAML)
    if positive and case.path == EVIDENCE and case.media_type in BEGINNINGS:
        case.body = BEGINNINGS[case.media_type]
    if positive and case.path in OSCAL and case.method == "PUT":
        case.body = example_file(case.operation, "application/json")
    if positive and case.path in ("/imports", "/leases/{id}/premises", "/assessments/{id}/responses") and case.media_type == CSV:
        case.body = example_file(case.operation, CSV)
    if positive and case.path == "/imports" and case.query and case.query.get("resource") == "products":
        case.query.pop("endAbsent", None)
    # `after` of the audit trail is as opaque as a cursor.
    for opaque in ("cursor", "after"):
        if positive and case.query and case.query.get(opaque, "") not in handed_out:
            case.query.pop(opaque, None)
    # The document's example key would be sent again and again with other bodies: 422 each time, and
    # neither a creation nor a faulty body tested. A key means one request, so each has its own.
    if not case.meta.is_negative_at(ParameterLocation.HEADER):
        for name in list(case.headers or {}):
            if name.lower() == "idempotency-key":
                case.headers[name] = str(uuid.uuid4())
