"""Runs Schemathesis against a server on this machine: as nobody or, with a token, as an administrator and as one who leaves.

Started by schemathesis.sh, with the Python environment that install.sh made. Exit code 0 means that
together the runs tested every operation and found nothing; reports are under target/schemathesis/.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

RULES = Path(__file__).resolve().parent
COMMITTED = RULES.parent / "v1.json"
REPORTS = RULES.parent.parent / "target" / "schemathesis"
# Whoever called it is nobody afterwards, so it is called when everything else has been.
LAST = "delete_me"
USAGE = "usage: schemathesis.sh BASE_URL [TOKEN [DOCUMENT]], for example http://127.0.0.1:8080/v1"


def main(arguments):
    if len(arguments) not in (1, 2, 3):
        print(USAGE, file=sys.stderr)
        return 2
    base_url, token = arguments[0].rstrip("/"), arguments[1] if len(arguments) > 1 else ""
    document = Path(arguments[2]).resolve() if len(arguments) == 3 else COMMITTED
    # Thousands of malformed and destructive requests are about to be sent.
    if urlsplit(base_url).hostname not in ("127.0.0.1", "localhost", "::1"):
        print(f"schemathesis: {base_url} is not on this machine\n{USAGE}", file=sys.stderr)
        return 2
    if not document.is_file():
        print(f"schemathesis: no document at {document}\n{USAGE}", file=sys.stderr)
        return 2

    clean = True
    administrator = {"Authorization": f"Bearer {token}"}
    of_one = "examples,coverage,fuzzing"
    # A token lives for ten minutes, so it is taken when it is needed.
    nobody = (("anonymous", {}, (f"--phases={of_one},stateful",)),)
    somebody = (
        ("administrator", administrator, (f"--phases={of_one},stateful", f"--exclude-operation-id={LAST}")),
        ("leaving", administrator, (f"--phases={of_one}", f"--include-operation-id={LAST}")),
    )
    for who, headers, scope in somebody if token else nobody:
        faults = run(who, headers, scope, base_url, document)
        print(f"schemathesis as {who}: " + ("clean" if not faults else "; ".join(faults)), flush=True)
        clean = clean and not faults
    return 0 if clean else 1


def run(who, headers, scope, base_url, document):
    folder = REPORTS / who
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        f"--config-file={RULES / 'schemathesis.toml'}",
        "run",
        str(document),
        f"--url={base_url}",
        *scope,
        "--checks=all",
        "--no-color",
        "--report=json,ndjson,junit",
        f"--report-json-path={folder / 'summary.json'}",
        f"--report-ndjson-path={folder / 'events.ndjson'}",
        f"--report-junit-path={folder / 'junit.xml'}",
    ]
    for name, value in headers.items():
        command.append(f"--header={name}: {value}")
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    environment.update(
        SCHEMATHESIS_HOOKS="schemathesis_hooks",
        PYTHONPATH=str(RULES),
        PYTHONDONTWRITEBYTECODE="1",
        # Sets and dictionaries keep one order, so that the seed alone decides.
        PYTHONHASHSEED="0",
    )
    # It leaves working files where it stands, so it stands among its reports.
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    return judge(who, done.returncode, folder / "summary.json")


def judge(who, exit_code, report):
    faults = []
    if exit_code != 0:
        faults.append(f"exit code {exit_code}")
    try:
        summary = json.loads(report.read_text(encoding="utf-8"))
        operations, warnings = summary["operations"], summary["warnings"]
        accepted = summary["valid_rates"]
        if not summary["complete"]:
            faults.append(f"stopped early ({summary['stop_reason']})")
    except (OSError, ValueError, KeyError) as fault:
        return faults + [f"no readable report: {fault!r}"]
    if not operations["tested"] or operations["tested"] != operations["selected"]:
        faults.append(f"only {operations['tested']} of {operations['selected']} operations tested")
    if who != "anonymous":
        # An expired token turns every check into "401 is documented": green and worthless.
        if warnings["missing_auth"]:
            faults.append(f"never got past 401 or 403: {', '.join(warnings['missing_auth'])}")
        unreached = sorted(
            operation
            for operation, phases in accepted.items()
            if not any(counts["accepted"] for counts in phases.values())
        )
        if unreached:
            # Not a fault: links reach what made-up ids cannot. Worth a look when the list grows.
            print(f"schemathesis: accepted nothing before the stateful phase: {', '.join(unreached)}")
    return faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
