"""A stock reader of Office Open XML, python-docx, finds in a lease what the API says of it.

Headings that Word numbers by itself, lists, and the schedule of 10,000 premises as a table. Started by
deploy/local/peers.sh.
"""

import hashlib
import io
import os

import requests
from docx import Document
from docx.oxml.ns import qn

TEMPLATE = {"template": "rooftop-wayleave", "number": "1.0.0"}
VALUES = {
    "term": "P10Y",
    "purpose": "fixed_wireless",
    "annual_payment": "125000",
    "review_years": "5",
    "access_notice": "P7D",
    "insurance_cover": "500000000",
    "works_notice": "P28D",
    "decant_months": "12",
    "social_value": "Free connections for <three> libraries & a *community* hall.",
}
PREMISES = 10_000


def main():
    base = os.environ["LOTI_METADATA"].split("/.well-known")[0] + "/v1"
    call = caller(base, os.environ["LOTI_ADMIN_TOKEN"])
    council = call("POST", "/organisations", 201, json={"kind": "local_authority", "name": "Borough of Word"})
    operator = call("POST", "/organisations", 201, json={"kind": "supplier", "name": "Word & Networks"})
    lease = call(
        "POST",
        "/leases",
        201,
        json={
            "organisation": council["id"],
            "title": "Roofs of the borough",
            "template": TEMPLATE,
            "startsOn": "2027-01-01",
            "values": [{"variable": variable, "value": value} for variable, value in VALUES.items()],
            "parties": [
                {"organisation": council["id"], "role": "grantor"},
                {"organisation": operator["id"], "role": "operator"},
            ],
        },
    )
    path = f"/leases/{lease['id']}"
    table = "uprn,usrn,description\n" + "".join(f"{n + 1},{n + 7},Roof {n} & mast\n" for n in range(PREMISES))
    headers = {"Content-Type": "text/csv", "If-Match": "*"}
    assert call("PUT", f"{path}/premises", 200, data=table, headers=headers)["premisesCount"] == PREMISES
    issued = call("POST", f"{path}/issue", 200)
    digests = {document["format"]: document["sha256"] for document in issued["documents"]}
    for form, digest in digests.items():
        for _ in range(2):
            content = call("GET", f"{path}/document?format={form}", 200, raw=True)
            assert hashlib.sha256(content).hexdigest() == digest, form
    document = Document(io.BytesIO(call("GET", f"{path}/document?format=docx", 200, raw=True)))
    clauses = call("GET", f"/lease-templates/{TEMPLATE['template']}/versions/1.0.0/clauses", 200)["clauses"]
    headings = [p for p in document.paragraphs if p.style.name.startswith("Heading ") and not unnumbered(p)]
    found = [(heading.text, int(heading.style.name.split()[1])) for heading in headings]
    wanted = [(clause["heading"], clause["number"].count(".") + 1) for clause in clauses]
    missing = [heading for heading in wanted if heading not in found]
    assert found == [heading for heading in wanted if heading in found], (found, wanted)
    print(f"python-docx: {len(found)} numbered headings; {len(missing)} clauses whose conditions do not hold")
    numbering = document.part.numbering_part.element.xml
    for level in range(1, 7):
        assert f'w:val="Heading{level}"' in numbering and document.styles[f"Heading {level}"], level
    text = "\n".join(paragraph.text for paragraph in document.paragraphs)
    for shown in ("10 years", "£1,250.00", "a fixed wireless access network", VALUES["social_value"], council["name"]):
        assert shown in text, shown
    assert any(paragraph.style.name == "List Paragraph" for paragraph in document.paragraphs)
    # By the XML: python-docx takes minutes to find each cell of so large a table. The first has what is filled in.
    rows = []
    for table in document.tables[1:]:
        header, *body = table._tbl.tr_lst
        assert "w:tblHeader" in header.xml, header.xml
        rows += body
    assert len(rows) == PREMISES, len(rows)
    last = ["".join(text.text for text in cell.iter(qn("w:t"))) for cell in rows[-1].tc_lst]
    assert last == ["10000", "10000", "10006", "Roof 9999 & mast"], last
    print(f"python-docx: a schedule of {len(rows)} premises; the same bytes each time in {len(digests)} formats")


def unnumbered(paragraph):
    properties = paragraph._p.pPr.numPr
    return properties is not None and properties.numId.val == 0


def caller(base, token):
    def call(method, path, status, raw=False, headers=None, **body):
        headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        answer = requests.request(method, base + path, headers=headers, timeout=60, **body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.content if raw else answer.json()

    return call


main()
