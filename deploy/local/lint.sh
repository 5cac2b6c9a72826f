#!/usr/bin/env bash
# Formatting and lints of the Rust code and of the shell scripts: this is `make lint`.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lint_scripts() {
    local script scripts=()
    for script in deploy/local/*.sh openapi/rules/*.sh .ci/run; do
        if [ -f "$script" ]; then scripts+=("$script"); fi
    done
    for script in "${scripts[@]}"; do
        bash -n "$script" || fail "$script is no valid shell script: see above."
    done
    if ! have shellcheck; then
        say "shellcheck is not installed, so the shell scripts were only parsed."
        return
    fi
    shellcheck -x "${scripts[@]}" || fail "shellcheck objects: repair the scripts as it says above."
}

main() {
    cd "$root"
    find_cargo
    lint_scripts
    cargo fmt --all --check || fail "The code is not formatted: run \`cargo fmt --all\`."
    cargo clippy --workspace --all-targets --locked -- -D warnings || fail "clippy objects: repair what it names above."
}

main
