#!/usr/bin/env bash
# Everything that has to hold before a change is merged, from a fresh checkout: this is `make test`, and CI runs nothing
# else. Each phase is a make target, so that a contributor can repeat the one that failed.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

phases=(setup lint build cargo-test schema openapi check-tree lint-openapi peers contract)
timings=()

finish() {
    if [ -n "$spawned" ]; then stop_spawned "$spawned" 60; fi
    if [ ${#timings[@]} -gt 0 ]; then printf '%s\n' '' 'Seconds for each phase:' "${timings[@]}" >&2; fi
}

phase() {
    local began=$SECONDS status=0
    say ""
    say "==> make $1"
    # A make of its own: -j or -n of the one that called us would reach it through these.
    run env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory "$1" || status=$?
    timings+=("$(printf '%6d  %s' $((SECONDS - began)) "$1")")
    [ "$status" -eq 0 ] || fail "The phase \`make $1\` failed: see above."
}

main() {
    cd "$root"
    # Nothing of these checks may touch a database of the contributor's.
    unset DATABASE_URL
    find_cargo
    end_on_signals
    local name
    for name in "${phases[@]}"; do phase "$name"; done
    say ""
    say "Everything holds."
}

main
