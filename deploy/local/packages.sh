#!/usr/bin/env bash
# packages.sh FOLDER: installs the npm and Python packages that FOLDER pins, as far as it has them:
#
#   package-lock.json   into node_modules beside it
#   requirements.txt    into .local/tools/NAME, where openapi/rules becomes the NAME openapi-rules
#
# Does nothing, and needs no network, while the lock files are unchanged.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
umask 022 # what root installs, others may run

folder="$root/$1"
name="${1//\//-}"
tools="$root/.local/tools"
venv="$tools/$name"

# A stamp holds the hash of what was installed from; it is written last, so half an installation has none.
npm_stamp() {
    { cat "$folder/package.json" "$folder/package-lock.json" "$folder/.npmrc"; node --version; } | sha256sum | cut -d' ' -f1
}
pip_stamp() { { cat "$folder/requirements.txt"; "$venv/bin/python" -I --version; } 2>&1 | sha256sum | cut -d' ' -f1; }
npm_ready() { [ "$(cat "$folder/node_modules/.stamp" 2>/dev/null)" = "$(npm_stamp)" ]; }
# `python` is asked for its version, so an environment whose interpreter has gone does not count as ready.
pip_ready() { [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$(pip_stamp)" ]; }

install_npm() {
    say "npm ci in $1"
    rm -rf "$folder/node_modules"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    npm_stamp >"$folder/node_modules/.stamp"
}

usable() {
    "$1" -I -c 'import sys, ensurepip, venv; ensurepip.version(); sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# The system's own comes first: every user can run it, unlike one under somebody's home.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3; do
        if have "$candidate" && usable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

need_python() {
    if python="$(find_python)"; then return; fi
    is_root || fail "Python 3.11 with venv is needed; as root: apt-get install --no-install-recommends python3 python3-venv"
    "$here/apt-install.sh" python3 python3-venv
    python="$(find_python)" || fail "There is no Python 3.11 or newer with venv, even after apt-get install python3-venv."
}

install_python() {
    local python
    need_python
    say "Python packages into .local/tools/$name"
    rm -rf "$venv"
    "$python" -I -m venv "$venv"
    # --no-deps: the lock names every package, so anything that it forgot shows up in `pip check`.
    "$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        -r "$folder/requirements.txt" >&2
    "$venv/bin/python" -I -m pip check --disable-pip-version-check >&2
    pip_stamp >"$venv/.stamp"
}

main() {
    if ! have node || ! have npm; then
        fail "Node.js 20.19 or newer and npm are needed: apt-get install nodejs npm (or from nodejs.org)"
    fi
    if npm_ready && pip_ready; then return; fi
    mkdir -p "$tools"
    # Two checks may start at once; the second waits and then finds the work done.
    exec 9>"$tools/.$name.lock"
    flock 9
    # npm insists on a home that it can write to; service users often have none.
    if [ ! -w "${HOME:-/nonexistent}" ]; then
        export HOME="$tools/home"
        mkdir -p "$HOME"
    fi
    if ! npm_ready; then install_npm "$1"; fi
    if ! pip_ready; then install_python; fi
}

main "$@"
