#!/usr/bin/env bash
# Fails when a generated file is not the one that was committed (or staged): this is `make check-tree`, to be run after
# `make schema openapi`.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

generated=(schema.rs openapi/v1.json)

# The checkout may belong to another user, as in many CI containers; git then wants to be told that this is fine.
in_git() { git -c safe.directory='*' "$@"; }

main() {
    cd "$root"
    in_git rev-parse --is-inside-work-tree >/dev/null 2>&1 ||
        fail "$root is no git checkout, so nothing can be compared: run this in a clone."
    in_git ls-files --error-unmatch "${generated[@]}" >/dev/null 2>&1 ||
        fail "${generated[*]} must be in the repository: run \`make schema openapi\`, then \`git add ${generated[*]}\`."
    in_git --no-pager diff --stat --exit-code -- "${generated[@]}" >&2 ||
        fail "These generated files are out of date: run \`make schema openapi\` and commit ${generated[*]}."
}

main
