#!/usr/bin/env bash
# The service with everything it needs, from a fresh checkout: this is `make run`.
#
#   run.sh            installs what is missing, builds, starts a private PostgreSQL, migrates, seeds, serves
#   run.sh migrate    only brings the schema of that database up to date: `make migrate`
#   run.sh token      only prints an administrator's token: `make token`
#
# The last two work beside a running service, and else start the database for as long as they need it.
#
# Everything it makes is in .local; Ctrl-C stops all that it started, the service first, then PostgreSQL. The next run
# finds the data as they were.
#
# From the environment: LOTI_LISTEN (address:port, default 127.0.0.1:8080), DATABASE_URL (a database of yours; no
# PostgreSQL is started then), LOTI_ENCRYPTION_KEY_FILE (a key of yours), LOTI_BIN (a service built already), and every
# variable of the service: see `loti config`.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster="$root/.local/postgres"
serve_pid="$root/.local/serve.pid"
locked=
cluster_is_ours=

# One at a time ----------------------------------------------------------------------------------------------------------

# The lock vanishes with this process, however that ends; descriptor 9 is not passed on (spawn closes it).
take_lock() {
    exec 9>>"$root/.local/run.lock"
    flock -n 9 || return 1
    locked=1
    printf '%s\n' "$$" >"$root/.local/run.pid"
}

refuse_second_run() {
    say "\`make run\` is already active in this checkout, as process $(cat "$root/.local/run.pid" 2>/dev/null || echo '?'):"
    fail "use that one, or stop it with Ctrl-C there."
}

# After kill -9 of the script the service may still be finishing its requests, or even running.
end_former_service() {
    local pid command
    pid="$(cat "$serve_pid" 2>/dev/null)" || return 0
    command="$(ps -o args= -p "$pid" 2>/dev/null || tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" || return 0
    case "$command" in *"$LOTI_BIN serve"*) ;; *) return 0 ;; esac
    say "Stopping the service that an earlier run left behind."
    stop_spawned "$pid" 30
    watch_signals
}

# What it needs -----------------------------------------------------------------------------------------------------------

build() {
    if [ -n "${LOTI_BIN:-}" ]; then return; fi
    find_cargo
    say "Building the service; the first time this takes some minutes."
    run cargo build --release --locked --bin loti ||
        fail "The build failed: see cargo's message above."
    LOTI_BIN="$(target_folder)/release/loti"
}

start_database() {
    if [ -n "${DATABASE_URL:-}" ]; then
        say "Using the database that DATABASE_URL names."
        return
    fi
    # Without the lock it belongs to the run that has it, and so it stays up.
    if [ -n "$locked" ]; then cluster_is_ours=1; fi
    run "$here/postgres.sh" start "$cluster" || exit 1
    run "$here/postgres.sh" create "$cluster" loti || fail "Could not create the database in $cluster: see above."
    # The schema belongs to one role, the service acts as another.
    LOTI_MIGRATION_DATABASE_URL="$("$here/postgres.sh" url "$cluster" loti)"
    DATABASE_URL="$("$here/postgres.sh" url "$cluster" --service loti)"
    export DATABASE_URL LOTI_MIGRATION_DATABASE_URL
}

migrate() {
    run "$LOTI_BIN" migrate || fail "The migration failed: see above; the data are as they were before its last step."
}

seed() {
    run "$LOTI_BIN" seed || fail "Seeding failed: see above."
}

choose_key() { export LOTI_ENCRYPTION_KEY_FILE="${LOTI_ENCRYPTION_KEY_FILE:-$root/.local/encryption-key}"; }

# Under another name until it is complete, as a half-written key would stop every start to come. A key of yours that is
# not there is yours to make: the service says so.
make_key() {
    local new="$root/.local/encryption-key.new"
    if [ -s "$LOTI_ENCRYPTION_KEY_FILE" ] || [ "$LOTI_ENCRYPTION_KEY_FILE" != "${new%.new}" ]; then return; fi
    rm -f "$new"
    local mask
    mask="$(umask)"
    umask 077
    run "$LOTI_BIN" keys generate "$new" >/dev/null || fail "Could not make an encryption key: see above."
    umask "$mask"
    chmod 0600 "$new"
    mv "$new" "$LOTI_ENCRYPTION_KEY_FILE"
}

# Serving -----------------------------------------------------------------------------------------------------------------

choose_address() {
    export LOTI_LISTEN="${LOTI_LISTEN:-127.0.0.1:8080}"
    case "$LOTI_LISTEN" in *:0) LOTI_LISTEN="${LOTI_LISTEN%:0}:$(free_port)" ;; esac
    # An address that means "all of this machine's" is none that a client can use.
    local host="${LOTI_LISTEN%:*}" port="${LOTI_LISTEN##*:}"
    case "$host" in 0.0.0.0) host=127.0.0.1 ;; "[::]") host="[::1]" ;; esac
    base="http://$host:$port"
    taken=
    host="${host#[}"
    if port_answers "$port" "${host%]}"; then taken=1; fi
}

serve() {
    export LOTI_LOG_FORMAT="${LOTI_LOG_FORMAT:-text}"
    spawn "$LOTI_BIN" serve
    printf '%s\n' "$spawned" >"$serve_pid"
    # Whoever has the port would answer for us: then the service has the word, and says that it is taken.
    if [ -z "$taken" ] && await_ready; then introduce; fi
    watch_terminal
    local status=0
    wait "$spawned" || status=$?
    spawned=
    [ "$status" -ne 0 ] || fail "The service ended by itself: see its messages above."
    say "The service ended with status $status: see its message above."
    exit "$status"
}

# `ssh -t host make run`, and the connection breaks: only make is told, and make 4.3 waits for us in silence.
watch_terminal() {
    [ -t 2 ] || return 0
    while kill -0 "$spawned" 2>/dev/null; do
        [ -t 2 ] || exit 129
        sleep 1 || true
    done
}

await_ready() {
    local deadline=$((SECONDS + 60))
    while kill -0 "$spawned" 2>/dev/null; do
        if curl --noproxy '*' -fsS -m 2 -o /dev/null "$base/readyz" 2>/dev/null; then return 0; fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            say "The service does not report itself ready at $base/readyz after a minute; it may still come."
            return 1
        fi
        sleep 0.2
    done
    return 1
}

introduce() {
    local token
    token="$("$LOTI_BIN" token --admin 9>&-)" || token=
    cat <<INTRODUCTION

LOTI is running; Ctrl-C stops it.

    API        $base/v1
    Reference  $base/docs
    OpenAPI    $base/openapi.json
    Health     $base/readyz

INTRODUCTION
    if [ -z "$token" ]; then
        say "No administrator's token could be made: see above. The public part of the API needs none."
        return
    fi
    cat <<TOKEN
As administrator, until the token expires in some minutes (\`make token\` makes another):

    curl -H 'Authorization: Bearer $token' $base/v1/products

TOKEN
}

# Ending ------------------------------------------------------------------------------------------------------------------

# In order: the service still needs the database for the requests under way.
finish() {
    if [ -n "$spawned" ]; then stop_spawned "$spawned" $((${LOTI_SHUTDOWN_SECONDS:-20} + 10)); fi
    if [ -z "$locked" ]; then return; fi
    rm -f "$serve_pid"
    if [ -z "$cluster_is_ours" ]; then return; fi
    "$here/postgres.sh" stop "$cluster" 9>&- || say "PostgreSQL did not stop: see above."
}

# Ctrl-C is how one ends a service: nothing has failed.
watch_signals() {
    end_on_signals
    trap 'exit 0' INT
}

serve_everything() {
    if [ -z "$locked" ]; then refuse_second_run; fi
    build
    end_former_service
    choose_address
    start_database
    migrate
    seed
    make_key
    serve
}

main() {
    cd "$root"
    watch_signals
    make_local_folder
    if ! have flock; then "$here/install.sh" run; fi
    take_lock || true
    "$here/install.sh" run 9>&-
    choose_key
    case "${1:-serve}" in
        serve) serve_everything ;;
        migrate)
            build
            start_database
            migrate
            ;;
        token)
            build
            start_database
            "$LOTI_BIN" token --admin 9>&-
            ;;
        *) fail "Usage: run.sh [migrate|token]" ;;
    esac
}

main "$@"
