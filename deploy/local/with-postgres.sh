#!/usr/bin/env bash
# Runs a command beside a throw-away PostgreSQL cluster, which is gone afterwards, however the command ends.
#
#   with-postgres.sh COMMAND...        exits as the command does
#
# The command finds in its environment
#   LOTI_TEST_DATABASE_URL   the database `postgres` as superuser, through a Unix socket
#   LOTI_TEST_POSTGRES       path of postgres.sh, to make clusters of its own
#   LOTI_TEST_CLUSTER        folder of this cluster, for postgres.sh
#   LOTI_TEST_SCRATCH        folder in which it may create clusters: those are removed at the end, too

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scratch=

remove_scratch() {
    local cluster
    for cluster in "$scratch"/*/; do
        if [ -e "$cluster/throwaway" ]; then "$here/postgres.sh" destroy "$cluster" || true; fi
    done
    rm -rf "$scratch"
}

# kill -9 of this script leaves it no time to tidy up. A process that reads from it does so when it is gone: descriptor 7
# is the other end, and nobody else keeps it.
arrange_removal() {
    local session=()
    if have setsid; then session=(setsid); fi
    exec 7> >(
        trap '' HUP INT QUIT TERM
        exec ${session[@]+"${session[@]}"} "${BASH_SOURCE[0]}" --remove-later "$scratch" >/dev/null 2>&1
    )
}

finish() {
    if [ -n "$spawned" ]; then stop_spawned "$spawned" 30; fi
    if [ -n "$scratch" ]; then remove_scratch; fi
}

main() {
    [ $# -gt 0 ] || fail "Usage: with-postgres.sh COMMAND..."
    end_on_signals
    scratch="$(mktemp -d "${TMPDIR:-/tmp}/loti-test.XXXXXX")"
    # The server runs as another user and has to get through to its own folder in there.
    if is_root; then chmod 0711 "$scratch"; fi
    arrange_removal
    export LOTI_TEST_POSTGRES="$here/postgres.sh" LOTI_TEST_SCRATCH="$scratch" LOTI_TEST_CLUSTER="$scratch/main"
    run "$LOTI_TEST_POSTGRES" start "$LOTI_TEST_CLUSTER" --throwaway
    LOTI_TEST_DATABASE_URL="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER")"
    export LOTI_TEST_DATABASE_URL
    run "$@"
}

if [ "${1:-}" = --remove-later ]; then
    scratch="$2"
    cat >/dev/null
    if [ -d "$scratch" ]; then remove_scratch; fi
else
    main "$@"
fi
