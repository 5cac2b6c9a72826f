"""A stock reader of calendars, icalendar, finds each event at the moment at which the API has it.

Through two changes of the clocks, as a series is laid out for more than a year. Started by deploy/local/peers.sh.
"""

import os
from datetime import datetime, timezone

import requests
from icalendar import Calendar

TITLE = "Tea, cake; and a \\ for more than seventy-five octets, with a cup of it: \N{HOT BEVERAGE} \N{TEACUP WITHOUT HANDLE}"
DESCRIPTION = "One line,\nanother; line\nBEGIN:VALARM"


def main():
    base = os.environ["LOTI_METADATA"].split("/.well-known")[0] + "/v1"
    call = caller(base, os.environ["LOTI_ADMIN_TOKEN"])
    organisation = call("POST", "/organisations", 201, {"kind": "local_authority", "name": "Borough of icalendar"})
    network = call("POST", "/networks", 201, {"name": "Readers of icalendar", "organisation": organisation["id"]})
    call(
        "POST",
        f"/networks/{network['id']}/series",
        201,
        {
            "title": TITLE,
            "description": DESCRIPTION,
            "kind": "teacamp",
            "startsOn": "2026-01-01",
            "startTime": "18:00",
            "durationMinutes": 90,
            "rrule": "FREQ=WEEKLY;BYDAY=TH",
            "venue": {"name": "City Hall", "address": "Kamal Chunchie Way,\nLondon"},
        },
    )
    events = call("GET", f"/events?network={network['id']}&limit=100", 200)["items"]
    offsets = set()
    read = {str(event["UID"]): event for event in calendar(f"{base}/networks/{network['slug']}.ics").walk("VEVENT")}
    assert set(read) == {event["id"] for event in events}, (len(read), len(events))
    for event in events:
        found = read[event["id"]]
        for name, field in (("DTSTART", "startsAt"), ("DTEND", "endsAt")):
            assert found.decoded(name).astimezone(timezone.utc) == datetime.fromisoformat(event[field]), (name, event)
        assert found.decoded("DTSTART").hour == 18, found
        offsets.add(found.decoded("DTSTART").utcoffset())
        assert str(found["SUMMARY"]) == TITLE and str(found["DESCRIPTION"]) == DESCRIPTION, found
        assert str(found["LOCATION"]) == "City Hall, Kamal Chunchie Way,\nLondon", found
    assert len(offsets) == 2 and len(events) > 52, "a year has summer and winter"
    print(f"icalendar: {len(events)} events at their moments, summer and winter")

    mine = call("POST", "/calendars", 201, {"name": "icalendar"})["url"]
    event = events[0]
    call("POST", f"/events/{event['id']}/rsvps", 201, {})
    (own,) = calendar(mine).walk("VEVENT")
    assert (str(own["UID"]), str(own["STATUS"]), own["SEQUENCE"]) == (event["id"], "CONFIRMED", 0), own
    call("POST", f"/events/{event['id']}/cancel", 200, {})
    for address in (mine, f"{base}/events/{event['id']}.ics", f"{base}/organisations/{organisation['id']}.ics"):
        (found,) = (e for e in calendar(address).walk("VEVENT") if str(e["UID"]) == event["id"])
        assert (str(found["STATUS"]), found["SEQUENCE"]) == ("CANCELLED", 1), found
    print("icalendar: one's own calendar, and that an event is cancelled")


def calendar(address):
    answer = requests.get(address, timeout=10)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/calendar", answer.headers
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n")), "lines are folded"
    found = Calendar.from_ical(answer.content)
    assert not found.walk("VALARM"), "what somebody wrote became a part of its own"
    assert all(not part.errors for part in found.walk()), [part.errors for part in found.walk()]
    return found


def caller(base, token):
    def call(method, path, status, body=None):
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, base + path, json=body, headers=headers, timeout=30)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    return call


main()
