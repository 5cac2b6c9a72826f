#!/usr/bin/env bash
# Times imports over HTTP, and shows the memory that the service needs: this is `make bench-imports`.
#
# For each number of rows in ROWS ("800 100000"): a register of as many products, then one of as many citations, the
# same again, and a rehearsal of it with one row in a hundred changed. Prints seconds from the call to the last row, and
# the most memory that the service has held so far, in MiB.

set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
# shellcheck source-path=SCRIPTDIR/../deploy/local source=../deploy/local/service.sh
. "$root/deploy/local/service.sh"

field() { sed -nE "s/.*\"$1\":\"?([^\",}]*).*/\1/p"; }

# import WHAT RESOURCE QUERY FILE: sends a file, waits until it was applied, and tells how long that took.
import() {
    local began location import status
    began="$(date +%s%N)"
    location="$(curl -fsS -D - -o /dev/null -H "Authorization: Bearer $token" -H 'Content-Type: application/x-ndjson' \
        --data-binary "@$4" "http://$LOTI_LISTEN/v1/imports?resource=$2&organisation=body$3" |
        sed -nE 's/^location: ([^\r]*).*/\1/Ip')"
    while :; do
        import="$(curl -fsS -H "Authorization: Bearer $token" "http://$LOTI_LISTEN$location")"
        status="$(field status <<<"$import")"
        case "$status" in completed | failed) break ;; esac
        sleep 0.05
    done
    awk -v ns=$(($(date +%s%N) - began)) -v what="$1" -v counts="$(sed -E 's/.*"counts":\{([^}]*)\}.*/\1/; s/"//g' <<<"$import")" \
        -v memory="$(sed -nE 's/^VmHWM:[[:space:]]*([0-9]+) kB/\1/p' "/proc/$service/status")" \
        'BEGIN { printf "%9.2f s %6d MiB  %s: %s\n", ns / 1e9, memory / 1024, what, counts }'
}

register() { awk -v n="$1" -v every="${2:-0}" 'BEGIN { for (i = 1; i <= n; i++) printf "{\"externalId\":\"APP-%d\",\"product\":\"made-up-%d-%d\",\"since\":\"20%02d-04-01\",\"contract\":{\"endsOn\":\"2027-03-31\",\"amountPence\":%d}}\n", i, n, i, (every && i % every == 0) ? 24 : 23, i * 100 }'; }

main() {
    cd "$root"
    make_local_folder
    if [ -z "${LOTI_TEST_CLUSTER:-}" ]; then exec deploy/local/with-postgres.sh "${BASH_SOURCE[0]}"; fi
    cargo build --release --locked --bin loti
    LOTI_BIN="$(target_folder)/release/loti"
    end_on_signals
    set_environment imports
    export LOTI_RATE_LIMIT_TOKEN=1000000 LOTI_LOG=warn
    prepare_service
    start_service
    LOTI_ADMIN_TOKEN=
    take_token
    curl -fsS -o /dev/null -H "Authorization: Bearer $LOTI_ADMIN_TOKEN" -H 'Content-Type: application/json' \
        -d '{"kind":"local_authority","name":"Body","slug":"body"}' "http://$LOTI_LISTEN/v1/organisations"
    local token rows scratch="$LOTI_TEST_SCRATCH"
    for rows in ${ROWS:-800 100000}; do
        "$LOTI_BIN" token --email steward@body.example >/dev/null
        "$LOTI_BIN" member --email steward@body.example --organisation body --role steward
        token="$("$LOTI_BIN" token --email steward@body.example)"
        awk -v n="$rows" 'BEGIN { for (i = 1; i <= n; i++) printf "{\"externalId\":\"P-%d-%d\",\"slug\":\"made-up-%d-%d\",\"name\":\"Made up %d\",\"phase\":\"live\"}\n", n, i, n, i, i }' >"$scratch/products"
        register "$rows" >"$scratch/citations"
        register "$rows" 100 >"$scratch/changed"
        import "$rows products" products '' "$scratch/products"
        token="$("$LOTI_BIN" token --email steward@body.example)"
        import "$rows citations" citations "&source=r$rows" "$scratch/citations"
        token="$("$LOTI_BIN" token --email steward@body.example)"
        import "the same again" citations "&source=r$rows" "$scratch/citations"
        import "rehearsed, one in 100 changed" citations "&source=r$rows&dryRun=true" "$scratch/changed"
    done
}

main
