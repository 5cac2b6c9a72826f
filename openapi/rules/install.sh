#!/usr/bin/env bash
# Installs the pinned linters: npm packages into node_modules beside this file, Python packages into
# .local/tools/openapi-rules. Does nothing, and needs no network, while the lock files are unchanged.
set -euo pipefail
umask 022 # what root installs, others may run
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
tools=$root/.local/tools
venv=$tools/openapi-rules

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if ! { command -v node && command -v npm; } >/dev/null; then
  die "Node.js 20.19 or newer and npm are needed: apt-get install nodejs npm (or from nodejs.org)"
fi

# A stamp holds the hash of what was installed from; it is written last, so half an installation has none.
npm_stamp() { { cat "$here/package.json" "$here/package-lock.json" "$here/.npmrc"; node --version; } | sha256sum | cut -d' ' -f1; }
pip_stamp() { { cat "$here/requirements.txt"; "$venv/bin/python" -I --version; } 2>&1 | sha256sum | cut -d' ' -f1; }
npm_ready() { [ "$(cat "$here/node_modules/.stamp" 2>/dev/null)" = "$(npm_stamp)" ]; }
# `python` is asked for its version, so an environment whose interpreter has gone does not count as ready.
pip_ready() { [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$(pip_stamp)" ]; }

if npm_ready && pip_ready; then exit 0; fi

mkdir -p "$tools"
# Two checks may start at once; the second waits and then finds the work done.
exec 9>"$tools/.openapi-rules.lock"
flock 9

# npm insists on a home that it can write to; service users often have none.
if [ ! -w "${HOME:-/nonexistent}" ]; then export HOME=$tools/home; mkdir -p "$HOME"; fi

if ! npm_ready; then
  say "npm ci in openapi/rules"
  rm -rf "$here/node_modules"
  (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  npm_stamp >"$here/node_modules/.stamp"
fi

usable() { "$1" -I -c 'import sys, ensurepip, venv; ensurepip.version(); sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
find_python() {
  local candidate
  # The system's own comes first: every user can run it, unlike one under somebody's home.
  for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3; do
    if command -v "$candidate" >/dev/null && usable "$candidate"; then command -v "$candidate"; return 0; fi
  done
  return 1
}

if ! pip_ready; then
  if ! python=$(find_python); then
    [ "$(id -u)" = 0 ] || die "Python 3.11 with venv is needed; as root: apt-get install --no-install-recommends python3 python3-venv"
    say "apt-get install python3 python3-venv"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >&2
    python=$(find_python) || die "no Python 3.11 or newer with venv, even after apt-get install python3-venv"
  fi
  say "Python packages into .local/tools/openapi-rules"
  rm -rf "$venv"
  "$python" -I -m venv "$venv"
  # --no-deps: the lock names every package, so anything that it forgot shows up in `pip check`.
  "$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: -r "$here/requirements.txt" >&2
  "$venv/bin/python" -I -m pip check --disable-pip-version-check >&2
  pip_stamp >"$venv/.stamp"
fi
say "done"
