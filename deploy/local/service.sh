# shellcheck shell=bash
# A debug build of the service, serving a database of its own in the throw-away cluster on a free port: what
# `make contract` and `make peers` call. Sourced in place of lib.sh, never run.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

service=

finish() {
    if [ -n "$spawned" ]; then stop_spawned "$spawned" 10; fi
    if [ -n "$service" ]; then stop_spawned "$service" 30; fi
}

# set_environment NAME: of the service; NAME is that of the database and of the log.
set_environment() {
    log="$root/.local/$1.log"
    "$LOTI_TEST_POSTGRES" create "$LOTI_TEST_CLUSTER" "$1"
    LOTI_MIGRATION_DATABASE_URL="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER" "$1")"
    DATABASE_URL="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER" --service "$1")"
    LOTI_LISTEN="127.0.0.1:$(free_port)"
    export DATABASE_URL LOTI_MIGRATION_DATABASE_URL LOTI_LISTEN LOTI_ENCRYPTION_KEY_FILE="$LOTI_TEST_SCRATCH/$1-key"
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

# For an administrator, and for the next ten minutes.
take_token() {
    LOTI_ADMIN_TOKEN="$("$LOTI_BIN" token --admin)" || fail "Could not make an administrator's token: see above."
    export LOTI_ADMIN_TOKEN
}

need_build() {
    LOTI_BIN="${LOTI_BIN:-$(target_folder)/debug/loti}"
    [ -x "$LOTI_BIN" ] || fail "$LOTI_BIN is not built: run \`make build\`."
}
