#!/usr/bin/env bash
# Installs what the checks need, into .local where it can: this is `make setup`. Quick when all is there.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# `make schema` has to print the same text everywhere, and its form changes between minor versions.
diesel_cli=2.3

install_diesel() {
    local tools="$root/.local/tools" found
    found="$("$tools/bin/diesel" --version 2>/dev/null | sed -nE 's/.*[^0-9.]([0-9]+\.[0-9]+)\.[0-9]+.*/\1/p' | head -n 1)" || found=
    if [ "$found" = "$diesel_cli" ]; then return; fi
    say "Installing diesel_cli $diesel_cli into .local/tools."
    cargo install --locked --root "$tools" --no-default-features --features postgres \
        --version "=$diesel_cli.*" --force diesel_cli ||
        fail "diesel_cli could not be installed: see cargo's message above."
}

main() {
    cd "$root"
    make_local_folder
    "$here/install.sh" test
    find_cargo
    install_diesel
    openapi/rules/install.sh || fail "The linters of the OpenAPI document could not be installed: see above."
    "$here/packages.sh" tests/peers || fail "The peers of the tests could not be installed: see above."
}

main
