#!/usr/bin/env bash
# Times lists of products and of citations over a made-up catalogue, beside a throw-away PostgreSQL: this is `make bench`.
#
# Prints, for each query, the least, the median and the greatest of its answer times in milliseconds, one request after
# another. Settings: ROWS (100000) products and as many citations, RUNS (21) requests a query.

set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"

rows="${ROWS:-100000}"
runs="${RUNS:-21}"
queries=(
    # A word that half of the products hold, rare words, two words, the start of a word, a misspelling; then plain lists.
    'products?q=service' 'products?q=service&facets=phase,category' 'products?q=service&phase=live'
    'products?q=zeppelin' 'products?q=housing+repairs' 'products?q=serv' 'products?q=zepelin' 'products?limit=20'
    'products?limit=100' 'products?sort=-updatedAt' 'products?category=category-3&platform=web'
    'products?facets=phase,category' 'products?count=true' 'products?organisation=body-7'
    'citations' 'citations?organisation=body-7&status=stale' 'contracts?endsBefore=2027-04-01'
    'contracts?endsAfter=2026-12-01&endsBefore=2027-04-01&serviceCode=524' 'contracts?supplier=vendor-3&region=London'
    'contracts/groups?by=supplier&endsAfter=2026-12-01&endsBefore=2027-04-01' 'contracts/groups?by=product'
    'products/made-up-1/statistics' 'organisations/body-7/statistics'
    'organisations/body-7/review-queue' 'organisations/body-7/review-queue?reason=phase_changed'
)
service=

stop_service() {
    if [ -z "$service" ]; then return; fi
    kill "$service"
    wait "$service" || true
}
trap stop_service EXIT

timings() {
    for _ in $(seq "$runs"); do curl -so /dev/null -H "Authorization: Bearer $2" -w '%{time_total}\n' "$1"; done | sort -n |
        awk '{ t[NR] = $1 * 1000 } END { printf "%8.1f %8.1f %8.1f", t[1], t[int((NR + 1) / 2)], t[NR] }'
}

main() {
    cd "$root"
    if [ -z "${LOTI_TEST_CLUSTER:-}" ]; then exec deploy/local/with-postgres.sh "${BASH_SOURCE[0]}"; fi
    cargo build --release --locked --bin loti
    "$LOTI_TEST_POSTGRES" create "$LOTI_TEST_CLUSTER" bench
    DATABASE_URL="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER" bench)"
    export DATABASE_URL LOTI_LISTEN=127.0.0.1:18080 LOTI_RATE_LIMIT_TOKEN=1000000 LOTI_LOG=error
    export LOTI_ENCRYPTION_KEY_FILE="$LOTI_TEST_SCRATCH/bench-key"
    target/release/loti migrate
    psql "$DATABASE_URL" -q -v rows="$rows" -f bench/products.sql -f bench/citations.sql
    target/release/loti serve &
    service=$!
    until curl -fso /dev/null "http://$LOTI_LISTEN/readyz"; do kill -0 "$service" && sleep 0.2; done
    # For what only stewards see.
    local token
    token="$(target/release/loti token --admin)"
    printf '%d products and citations, %d requests each; milliseconds\n%8s %8s %8s\n' "$rows" "$runs" least median most
    local query
    for query in "${queries[@]}"; do
        curl -fso /dev/null -H "Authorization: Bearer $token" "http://$LOTI_LISTEN/v1/$query"
        printf '%s  %s\n' "$(timings "http://$LOTI_LISTEN/v1/$query" "$token")" "$query"
    done
}

main
