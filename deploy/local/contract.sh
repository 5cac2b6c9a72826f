#!/usr/bin/env bash
# Holds a running service against its own OpenAPI document: this is `make contract`.
#
# The debug build serves a scratch database on a free port, and openapi/rules/schemathesis.sh calls every operation,
# anonymously and as administrator. The service's log is in .local/contract.log.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

log="$root/.local/contract.log"
service=

finish() {
    if [ -n "$spawned" ]; then stop_spawned "$spawned" 10; fi
    if [ -n "$service" ]; then stop_spawned "$service" 30; fi
}

set_environment() {
    "$LOTI_TEST_POSTGRES" create "$LOTI_TEST_CLUSTER" contract
    LOTI_MIGRATION_DATABASE_URL="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER" contract)"
    DATABASE_URL="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER" --service contract)"
    LOTI_LISTEN="127.0.0.1:$(free_port)"
    export DATABASE_URL LOTI_MIGRATION_DATABASE_URL LOTI_LISTEN LOTI_ENCRYPTION_KEY_FILE="$LOTI_TEST_SCRATCH/contract-key"
    # Thousands of calls from one address are the point here.
    export LOTI_RATE_LIMIT_ANONYMOUS=1000000 LOTI_RATE_LIMIT_TOKEN=1000000 LOTI_RATE_LIMIT_ADDRESS=1000000
}

prepare_service() {
    run "$LOTI_BIN" migrate || fail "The migration failed: see above."
    run "$LOTI_BIN" seed || fail "Seeding failed: see above."
    run "$LOTI_BIN" keys generate "$LOTI_ENCRYPTION_KEY_FILE" >/dev/null || fail "Could not make an encryption key: see above."
}

start_service() {
    spawn "$LOTI_BIN" serve >"$log" 2>&1
    service="$spawned"
    spawned=
    for _ in {1..300}; do
        if curl --noproxy '*' -fsS -m 2 -o /dev/null "http://$LOTI_LISTEN/readyz" 2>/dev/null; then return; fi
        kill -0 "$service" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 20 "$log" >&2
    fail "The service did not get ready: its log, $log, ends as shown above."
}

main() {
    cd "$root"
    make_local_folder
    if [ -z "${LOTI_TEST_CLUSTER:-}" ]; then exec "$here/with-postgres.sh" "${BASH_SOURCE[0]}"; fi
    LOTI_BIN="${LOTI_BIN:-$(target_folder)/debug/loti}"
    [ -x "$LOTI_BIN" ] || fail "$LOTI_BIN is not built: run \`make build\`."
    end_on_signals
    set_environment
    prepare_service
    start_service
    local token
    token="$("$LOTI_BIN" token --admin)" || fail "Could not make an administrator's token: see above."
    run openapi/rules/schemathesis.sh "http://$LOTI_LISTEN/v1" "$token" ||
        fail "The service and openapi/v1.json disagree: see above; the service's log is $log."
    kill -0 "$service" 2>/dev/null || fail "The service did not survive the calls: see the end of $log."
}

main
