#!/usr/bin/env bash
# Times the list of products over a catalogue of made-up ones, beside a throw-away PostgreSQL: this is `make bench`.
#
# Prints, for each query, the least, the median and the greatest of its answer times in milliseconds, one request after
# another. Settings: ROWS (100000) products, RUNS (21) requests a query.

set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"

rows="${ROWS:-100000}"
runs="${RUNS:-21}"
# A word that half of the products hold, rare words, two words, the start of a word, a misspelling; then plain lists.
queries=(
    'q=service' 'q=service&facets=phase,category' 'q=service&phase=live' 'q=zeppelin' 'q=housing+repairs' 'q=serv'
    'q=zepelin' 'limit=20' 'limit=100' 'sort=-updatedAt' 'category=category-3&platform=web' 'facets=phase,category'
    'count=true'
)
service=

stop_service() {
    if [ -z "$service" ]; then return; fi
    kill "$service"
    wait "$service" || true
}
trap stop_service EXIT

timings() {
    for _ in $(seq "$runs"); do curl -so /dev/null -w '%{time_total}\n' "$1"; done | sort -n |
        awk '{ t[NR] = $1 * 1000 } END { printf "%8.1f %8.1f %8.1f", t[1], t[int((NR + 1) / 2)], t[NR] }'
}

main() {
    cd "$root"
    if [ -z "${LOTI_TEST_CLUSTER:-}" ]; then exec deploy/local/with-postgres.sh "${BASH_SOURCE[0]}"; fi
    cargo build --release --locked --bin loti
    "$LOTI_TEST_POSTGRES" create "$LOTI_TEST_CLUSTER" bench
    DATABASE_URL="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER" bench)"
    export DATABASE_URL LOTI_LISTEN=127.0.0.1:18080 LOTI_RATE_LIMIT_ANONYMOUS=1000000 LOTI_LOG=error
    target/release/loti migrate
    psql "$DATABASE_URL" -q -v rows="$rows" -f bench/products.sql
    target/release/loti serve &
    service=$!
    until curl -fso /dev/null "http://$LOTI_LISTEN/readyz"; do kill -0 "$service" && sleep 0.2; done
    printf '%d products, %d requests each; milliseconds\n%8s %8s %8s\n' "$rows" "$runs" least median most
    local query
    for query in "${queries[@]}"; do
        curl -so /dev/null "http://$LOTI_LISTEN/v1/products?$query"
        printf '%s  %s\n' "$(timings "http://$LOTI_LISTEN/v1/products?$query")" "$query"
    done
}

main
