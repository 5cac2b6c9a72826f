"""Runs the public linters over one OpenAPI document and says what they found.

Started by lint.sh, with the Python environment that install.sh made. One line a tool, the findings
under it, and exit code 1 if anything was found that waivers.yaml does not name.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

RULES = Path(__file__).resolve().parent
COMMITTED = RULES.parent / "v1.json"
BIN = RULES / "node_modules" / ".bin"

# Spectral counts from the worst; `-F warn` is the bar, and hints below it do not fail.
SPECTRAL_WARN = 1


@dataclass(frozen=True)
class Finding:
    tool: str
    rule: str
    at: str
    message: str


class Broken(Exception):
    """A tool did not do its work, which is never the same as finding nothing."""


def main(arguments):
    if len(arguments) != 1:
        print("usage: lint.sh DOCUMENT", file=sys.stderr)
        return 2
    document = Path(arguments[0]).resolve()
    if not document.is_file():
        print(f"lint: no such document: {document}", file=sys.stderr)
        return 2

    waivers = read_waivers()
    used = set()
    clean = True
    for name, tool in (
        ("openapi-spec-validator", spec_validator),
        ("redocly", redocly),
        ("spectral", spectral),
    ):
        try:
            found = tool(document)
        except Broken as fault:
            print(f"{name}: BROKEN: {fault}")
            clean = False
            continue
        standing = []
        for finding in found:
            waiver = next((w for w in waivers if covers(w, finding)), None)
            if waiver is None:
                standing.append(finding)
            else:
                used.add(waiver["index"])
        waived = len(found) - len(standing)
        print(f"{name}: {count(standing)}" + (f" ({waived} waived)" if waived else ""))
        for finding in standing:
            print(f"  {finding.rule}  {finding.at}\n      {finding.message}")
        clean = clean and not standing

    # Another document (a draft, an old release) may lack what a waiver speaks of; ours may not.
    if document == COMMITTED:
        for waiver in waivers:
            if waiver["index"] not in used:
                print(f"waivers.yaml: no longer needed: {waiver['tool']} {waiver['rule']} {waiver['at']}")
                clean = False
    return 0 if clean else 1


def count(findings):
    if not findings:
        return "clean"
    return "1 finding" if len(findings) == 1 else f"{len(findings)} findings"


def read_waivers():
    entries = yaml.safe_load((RULES / "waivers.yaml").read_text(encoding="utf-8")) or []
    wanted = {"tool", "rule", "at", "reason"}
    for index, entry in enumerate(entries):
        if set(entry) != wanted or not all(isinstance(v, str) and v.strip() for v in entry.values()):
            sys.exit(f"waivers.yaml: entry {index + 1} needs {', '.join(sorted(wanted))}, each a text")
        if entry["tool"] not in ("spectral", "redocly"):
            sys.exit(f"waivers.yaml: entry {index + 1}: findings of {entry['tool']} cannot be waived")
        entry["index"] = index
    return entries


def covers(waiver, finding):
    return (
        (waiver["tool"], waiver["rule"]) == (finding.tool, finding.rule)
        # The slash keeps `/responses/40` from covering `/responses/400`.
        and (finding.at + "/").startswith(waiver["at"].rstrip("/") + "/")
    )


def spec_validator(document):
    done = run([sys.executable, "-m", "openapi_spec_validator", "--validation-errors=all", str(document)])
    if done.returncode == 0:
        return []
    text = (done.stdout + done.stderr).strip()
    if done.returncode != 1 or not text:
        raise Broken(f"exit code {done.returncode}: {plain(text)}")
    return [Finding("openapi-spec-validator", "invalid", "#", text.replace("\n", "\n      "))]


def redocly(document):
    done = run(
        [
            str(BIN / "redocly"),
            "lint",
            f"--config={RULES / 'redocly.yaml'}",
            "--extends=recommended-strict",
            "--format=json",
            # The default of 100 would hide the rest and so let a waiver cover more than it names.
            "--max-problems=100000",
            str(document),
        ]
    )
    if done.returncode not in (0, 1):
        raise Broken(f"exit code {done.returncode}: {plain(done.stderr)}")
    try:
        answer = json.loads(done.stdout)
        problems, totals = answer["problems"], answer["totals"]
    except (ValueError, KeyError, TypeError):
        raise Broken(f"its answer is not the expected JSON: {plain(done.stdout + done.stderr)}")
    if done.returncode == 1 and not problems:
        raise Broken(f"exit code 1 without a finding: {plain(done.stderr)}")
    if len(problems) != totals["errors"] + totals["warnings"]:
        raise Broken(f"{len(problems)} problems listed, but {totals} counted")
    found = []
    for problem in problems:
        place = (problem.get("location") or [{}])[0]
        found.append(
            Finding("redocly", problem["ruleId"], place.get("pointer") or "#", " ".join(problem["message"].split()))
        )
    return found


def spectral(document):
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "findings.json"
        done = run(
            [
                str(BIN / "spectral"),
                "lint",
                f"--ruleset={RULES / 'spectral.yaml'}",
                "-F",
                "warn",
                "--fail-on-unmatched-globs",
                "--format=json",
                f"--output={answer}",
                str(document),
            ]
        )
        # 0 is clean, 1 is findings, 2 is a crash (a rule set that does not load, a rule that throws).
        if done.returncode not in (0, 1):
            raise Broken(f"exit code {done.returncode}: {plain(done.stdout + done.stderr)}")
        try:
            results = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError) as fault:
            raise Broken(f"no readable answer: {fault}")
    failing = [r for r in results if r["severity"] <= SPECTRAL_WARN]
    if bool(failing) != (done.returncode == 1):
        raise Broken(f"exit code {done.returncode} does not agree with {len(failing)} findings")
    return [Finding("spectral", r["code"], pointer(r["path"]), r["message"]) for r in failing]


def pointer(path):
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def plain(text):
    """The end of what a tool said, without the framed advertisements that Redocly prints around it."""
    lines = (line for line in text.splitlines() if line.strip() and not set(line) & set("║╔╚═"))
    return "\n      ".join(lines)[-2000:]


def run(command):
    environment = dict(
        os.environ,
        # Nothing but the document is read, and nothing is told to anyone.
        REDOCLY_TELEMETRY="off",
        REDOCLY_SUPPRESS_UPDATE_NOTICE="true",
        DO_NOT_TRACK="1",
        SCARF_ANALYTICS="false",
        NO_COLOR="1",
        CI="true",
    )
    try:
        return subprocess.run(
            command, env=environment, cwd=RULES, capture_output=True, text=True, timeout=300, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise Broken(str(fault))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
