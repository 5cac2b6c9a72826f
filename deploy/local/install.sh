#!/usr/bin/env bash
# Installs what the machine lacks, or says exactly what to install. Does nothing at all when nothing is missing.
#
#   install.sh run     to build and run the service: cargo, a C compiler, libpq, PostgreSQL
#   install.sh test    also for the checks: rustfmt and clippy, Python with venv, Node
#
# LOTI_BIN names a service that is built already: then nothing that builds one is needed.
# DATABASE_URL names a database of yours: `run` then needs no PostgreSQL here.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Rust -----------------------------------------------------------------------------------------------------------------

need_cargo() {
    local wanted found
    wanted="$(sed -nE 's/^rust-version = "([0-9.]+)".*/\1/p' "$root/Cargo.toml")"
    find_cargo
    if ! have cargo; then
        say "cargo is missing, and Rust $wanted or newer is needed. Install it with"
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
        fail "then try again."
    fi
    found="$(cd "$root" && cargo --version 2>/dev/null | cut -d ' ' -f 2 | cut -d - -f 1)" || found=
    if [ -n "$found" ] && at_least "$found" "$wanted"; then return; fi
    if have rustup; then
        say "cargo is ${found:-without a toolchain}, and Rust $wanted or newer is needed. Install it with"
        say "    rustup update stable && rustup default stable"
    else
        say "cargo is ${found:-broken}, and Rust $wanted or newer is needed. Install it beside the one you have with"
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    fi
    fail "then try again."
}

# rustup's minimal profile has neither.
need_rust_checks() {
    local component command
    for component in rustfmt clippy; do
        command="${component/rustfmt/fmt}"
        if (cd "$root" && cargo "$command" --version >/dev/null 2>&1); then continue; fi
        if have rustup && (cd "$root" && rustup component add "$component" >&2); then continue; fi
        fail "$component is missing: install it for the cargo you use (\`rustup component add $component\`), then try again."
    done
}

# Packages -------------------------------------------------------------------------------------------------------------

# pq-sys, which diesel links, asks one of these two where libpq is.
has_libpq() {
    if have pkg-config && pkg-config --exists libpq 2>/dev/null; then return; fi
    have pg_config || return 1
    local library
    for library in "$(pg_config --libdir 2>/dev/null)"/libpq.{so,a,dylib}; do
        if [ -e "$library" ]; then return; fi
    done
    return 1
}

has_venv() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# Adds to `packages` what is missing, under its Debian name.
list_missing() {
    packages=()
    if ! have curl; then packages+=(curl ca-certificates); fi
    if ! have flock || ! have setpriv; then packages+=(util-linux); fi
    if [ -z "${LOTI_BIN:-}" ] || [ "$1" = test ]; then
        if ! have cc; then packages+=(build-essential); fi
        if ! has_libpq; then packages+=(libpq-dev); fi
    fi
    if [ -z "${DATABASE_URL:-}" ] || [ "$1" = test ]; then
        if ! find_postgres "" >/dev/null; then packages+=(postgresql); fi
    fi
    if [ "$1" = test ]; then
        if ! has_venv; then packages+=(python3-venv); fi
        if ! have node; then packages+=(nodejs npm); fi
    fi
}

say_what_to_install() {
    if have apt-get; then
        say "These packages are missing, and this user may not install them. Run"
        say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
        say "(or \`sudo deploy/local/apt-install.sh ${packages[*]}\`, which leaves out Debian's default cluster),"
    else
        say "These are missing; install what your system calls them (the names are Debian's; PostgreSQL must be"
        say "$POSTGRES_LEAST or newer, with its contrib modules; on macOS \`brew install postgresql@17 libpq flock\`):"
        say "    ${packages[*]}"
    fi
    fail "then try again."
}

need_packages() {
    list_missing "$1"
    if [ ${#packages[@]} -eq 0 ]; then return; fi
    if have apt-get && is_root; then
        "$here/apt-install.sh" "${packages[@]}"
    elif have apt-get && have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$here/apt-install.sh" "${packages[@]}"
    else
        say_what_to_install
    fi
    list_missing "$1"
    [ ${#packages[@]} -eq 0 ] || fail "Still missing after the installation: ${packages[*]}. Install by hand, then try again."
}

main() {
    case "${1:-}" in run | test) ;; *) fail "Usage: install.sh run|test" ;; esac
    # First what we cannot install, so that nothing is installed in vain.
    if [ -z "${LOTI_BIN:-}" ] || [ "$1" = test ]; then need_cargo; fi
    need_packages "$1"
    if [ "$1" = test ]; then need_rust_checks; fi
}

main "$@"
