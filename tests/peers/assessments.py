"""A stock reader of OSCAL, compliance-trestle, reads what comes out: catalogs, profiles, assessment results and plans.

What is seeded, and an assessment of each of its checklists, from the first answer to assured. Catalogs and profiles are read
by it, written by it and sent back, and come out as they went in. Started by deploy/local/peers.sh.
"""

import json
import os
import uuid

import requests
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog
from trestle.oscal.poam import PlanOfActionAndMilestones
from trestle.oscal.profile import Profile

CHECKLISTS = ["uk-gdpr-accountability", "cyber-baseline", "caf-for-local-government"]


def main():
    base = os.environ["LOTI_METADATA"].split("/.well-known")[0] + "/v1"
    call = caller(base, os.environ["LOTI_ADMIN_TOKEN"])
    council = call("POST", "/organisations", 201, json={"kind": "local_authority", "name": "Borough of Trestle"})
    assurer = call("POST", "/organisations", 201, json={"kind": "local_authority", "name": "Borough of Assurance"})
    of_council = caller(base, token_of(base, call, council))
    for slug in CHECKLISTS:
        assess(of_council, slug, council, assurer)
        catalog = read(Catalog, call("GET", f"/frameworks/{slug}/oscal", 200))
        controls = call("GET", f"/frameworks/{slug}", 200)["controlCount"]
        assert count(catalog) == controls, (count(catalog), controls)
        profile = read(Profile, call("GET", f"/checklists/{slug}/oscal", 200))
        assert profile["profile"]["imports"], slug
        fixed_point(call, slug, catalog, profile)
        print(f"{slug}: {controls} controls, catalog and profile read by compliance-trestle, and the same when they come back")


def token_of(base, call, council):
    """The token of a program of an organisation."""
    client = call(
        "POST",
        "/clients",
        201,
        json={
            "organisation": council["id"],
            "name": "compliance-trestle",
            "kind": "service",
            "role": "steward",
            "scopes": ["assessments:read", "assessments:write"],
        },
    )
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    answer = requests.post(base.removesuffix("/v1") + "/oauth/token", data=form, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def assess(call, slug, council, assurer):
    """An assessment from the first answer to its submission is read as results and as a plan."""
    planned = call(
        "POST",
        "/assessments",
        201,
        json={
            "organisation": council["id"],
            "checklist": slug,
            "title": f"{slug} of Trestle",
            "assurers": [{"organisation": assurer["id"]}],
        },
    )
    path = f"/assessments/{planned['id']}"
    responses = call("GET", f"{path}/responses?limit=100", 200)["items"]
    said = ["met", "partly_met", "not_met", "not_applicable"]
    answers = [
        {
            "control": response["control"]["id"],
            "version": response["version"],
            "status": said[number % 4],
            "statement": None if number % 3 else f"Answer {number}\n\nwith *two* paragraphs.",
            "justification": "It does not apply here." if number % 4 == 3 else None,
        }
        for number, response in enumerate(responses)
    ]
    results = call("PATCH", f"{path}/responses", 200, json={"answers": answers})["results"]
    assert all(result["outcome"] == "updated" for result in results), results
    first = responses[0]["control"]["id"]
    evidence = {"title": "Policy", "fileName": "policy.pdf", "expiresOn": "2999-12-31", "controls": [first]}
    evidence = call("POST", f"{path}/evidence", 201, json=evidence)
    headers = {"Content-Type": "application/pdf", "If-Match": "*"}
    call("PUT", f"/evidence/{evidence['id']}/content", 200, data=b"%PDF-1.7\n", headers=headers)
    for number in range(3):
        action = {"title": f"Action {number}", "dueOn": "2027-03-31", "controls": [first]}
        call("POST", f"{path}/actions", 201, json=action)
    call("POST", f"{path}/submit", 200)
    results = read(AssessmentResults, call("GET", f"{path}/oscal", 200))["assessment-results"]["results"][0]
    assert len(results["findings"]) == len(responses) and len(results["observations"]) == 1, results
    plan = read(PlanOfActionAndMilestones, call("GET", f"{path}/oscal?model=plan_of_action_and_milestones", 200))
    assert len(plan["plan-of-action-and-milestones"]["poam-items"]) == 3, plan
    print(f"{slug}: {len(responses)} findings and 3 items of a plan read by compliance-trestle")


def read(model, document):
    """The document as the reader has it, which is what was sent."""
    (name,) = document.keys()
    parsed = model(**document[name])
    written = json.loads(parsed.oscal_serialize_json())
    assert normal(written[name]) == normal(document[name]), f"{name} is read as something else"
    return document


def normal(value):
    """Times are the same moment, however they are written."""
    if isinstance(value, dict):
        return {key: normal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    if isinstance(value, str) and value.endswith("+00:00"):
        return value[: -len("+00:00")] + "Z"
    return value


def count(document):
    """How many controls a catalog has."""

    def within(node):
        own = node.get("controls", [])
        return len(own) + sum(map(within, own)) + sum(map(within, node.get("groups", [])))

    return within(document["catalog"])


def fixed_point(call, slug, catalog, profile):
    """What came out goes in as another edition, and comes out the same."""
    edition = str(uuid.uuid4())[:8]
    keeper = call("GET", f"/frameworks/{slug}", 200)["organisation"]["slug"]
    facts = {"title": slug, "edition": edition, "organisation": keeper}
    framework = call("POST", "/frameworks", 201, json={**facts, "authority": "Peers"})["id"]
    send(call, f"/frameworks/{framework}/oscal", catalog)
    assert call("GET", f"/frameworks/{framework}/oscal", 200) == catalog, slug
    call("POST", f"/frameworks/{framework}/publish", 200)
    checklist = call("POST", "/checklists", 201, json={**facts, "framework": framework, "scoring": "all_met"})["id"]
    send(call, f"/checklists/{checklist}/oscal", profile)
    assert call("GET", f"/checklists/{checklist}/oscal", 200) == profile, slug
    call("POST", f"/checklists/{checklist}/publish", 200)


def send(call, path, document):
    call("PUT", path, 200, json=document, headers={"If-Match": "*"})


def caller(base, token):
    """Calls the API, and insists on a status."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"

    def call(method, path, status, **more):
        answer = session.request(method, base + path, timeout=60, **more)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text[:2000])
        return answer.json() if answer.content else None

    return call


if __name__ == "__main__":
    main()
