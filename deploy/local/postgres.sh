#!/usr/bin/env bash
# One private PostgreSQL cluster in a folder of its own, apart from every other cluster of the machine.
#
#   postgres.sh start DIR [--throwaway]   creates it when absent, starts it when stopped; returns once it answers
#   postgres.sh stop DIR [--immediate]    stops it and keeps its data; does nothing when it is stopped
#   postgres.sh status DIR                one line; exit 0 running, 3 stopped, 4 absent
#   postgres.sh url DIR [--tcp] [NAME]    connection URL: of the superuser, or of the role and database NAME
#   postgres.sh url DIR --service NAME    connection URL of the service, which owns nothing, to the database NAME
#   postgres.sh create DIR NAME           a role and a database NAME that it owns, when absent, and the service's role
#   postgres.sh pid DIR                   process id of the postmaster; exit 3 when stopped
#   postgres.sh port DIR                  its TCP port on 127.0.0.1, which it keeps over restarts
#   postgres.sh destroy DIR               stops and deletes a throw-away cluster; refuses any other
#
# A throw-away cluster is fast and loses its data in a crash. It is marked as such when it is created.
#
# Who can reach it: the Unix socket asks for no password, as its folder has mode 0700 and whoever may enter it owns the
# data files anyway; TCP, open to every user of the machine, asks for the random password in DIR/password.
#
# What is in DIR: cluster/data and cluster/log (owned by the user who runs the server), password, port, socket (path of
# the socket's folder), lock, and throwaway for one that is.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Root's private umask would hide DIR from the user who runs the server.
if is_root; then umask 022; fi

# Where clusters go that their user could not reach inside the checkout.
ELSEWHERE=/var/lib/loti-local

usage() {
    sed -n '3,12s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# Who runs the server --------------------------------------------------------------------------------------------------

# PostgreSQL refuses to run as root. A cluster stays with the user who has it.
choose_server_user() {
    server_uid="$(id -u)" server_gid="$(id -g)"
    is_root || return 0
    if [ -d "$DIR/cluster" ]; then
        server_uid="$(stat -L -c %u "$DIR/cluster")" server_gid="$(stat -L -c %g "$DIR/cluster")"
    else
        local name=nobody
        if id postgres >/dev/null 2>&1; then name=postgres; fi
        server_uid="$(id -u "$name")" server_gid="$(id -g "$name")"
    fi
    [ "$server_uid" -ne 0 ] || fail "$DIR/cluster belongs to root, and PostgreSQL does not run as root: remove $DIR."
}

# Runs a command as the user of the server, from a folder that this user can be in, and without our environment: PGHOST
# and the like would lead it to another cluster, and secrets have no business in the server. In a session of its own: a
# signal to our group would end initdb half-way.
as_server() {
    local drop=()
    if have setsid; then drop=(setsid -w); fi
    if is_root; then drop+=(setpriv "--reuid=$server_uid" "--regid=$server_gid" --clear-groups); fi
    (cd / && exec env -i PATH="$PATH" LC_ALL=C PGCONNECT_TIMEOUT=5 ${drop[@]+"${drop[@]}"} "$@" 8>&-)
}

# write_as_server FILE: stdin becomes its content.
write_as_server() {
    # shellcheck disable=SC2016 # the inner shell expands it
    as_server sh -c 'umask 077; cat >"$1"' sh "$1"
}

choose_binaries() {
    local major=''
    if [ -f "$data/PG_VERSION" ]; then major="$(cat "$data/PG_VERSION")"; fi
    bin="$(find_postgres "$major")" && return
    if [ -n "$major" ]; then
        fail "$DIR was made by PostgreSQL $major, which is not installed: install it, or remove $DIR to start afresh."
    fi
    fail "PostgreSQL $POSTGRES_LEAST or newer is not installed: run \`deploy/local/install.sh run\`."
}

# What is running ------------------------------------------------------------------------------------------------------

# Process ids of everything that has the data folder as its working directory, as each process of a server has. Only a
# process of the same user may look that up where root lacks CAP_SYS_PTRACE, as in most containers.
server_processes() {
    [ -d /proc/self ] || return 0
    # shellcheck disable=SC2016 # the inner shell expands it
    as_server bash -c 'for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/cwd" 2>/dev/null)" = "$1" ]; then echo "${process#/proc/}"; fi
    done' bash "$data"
}

# The postmaster's process id. A number in postmaster.pid is not enough: after a crash or a reboot it may be anybody's.
postmaster() {
    local pid
    pid="$(sed -n 1p "$data/postmaster.pid" 2>/dev/null)" || return 1
    [ -n "$pid" ] || return 1
    if [ -d /proc/self ]; then
        [ "$(as_server readlink "/proc/$pid/cwd" 2>/dev/null)" = "$data" ] || return 1
    else
        send 0 "$pid" || return 1
    fi
    printf '%s\n' "$pid"
}

# send SIGNAL PID; the shell's own kill, as a bare machine has no other.
send() {
    # shellcheck disable=SC2016 # the inner shell expands it
    as_server bash -c 'kill -s "$1" "$2"' bash "$1" "$2" 2>/dev/null
}

running() { postmaster >/dev/null; }

# query DATABASE SQL, as superuser through the socket.
query() {
    as_server "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -h "$(cat "$DIR/socket")" -p "$(cat "$DIR/port")" \
        -U postgres -d "$1" -c "$2"
}

answers() { [ "$(query postgres 'select 1' 2>/dev/null)" = 1 ]; }

# A server that was left running, perhaps still in recovery, is taken over if it answers in the end.
adopt() {
    sed -n 4p "$data/postmaster.pid" >"$DIR/port"
    sed -n 5p "$data/postmaster.pid" >"$DIR/socket"
    local deadline=$((SECONDS + 60))
    while [ "$SECONDS" -lt "$deadline" ]; do
        if answers; then return 0; fi
        running || return 1
        sleep 0.5
    done
    return 1
}

# Creating -------------------------------------------------------------------------------------------------------------

# Decides where the files go, the first time: inside DIR, unless the user of the server cannot get there (a checkout
# under /root, say).
create_home() {
    if is_root && [ -L "$DIR/cluster" ] && claimed_by_another "$(readlink "$DIR/cluster")"; then rm "$DIR/cluster"; fi
    if [ -d "$DIR/cluster" ]; then
        # The checkout may have been moved since.
        if is_root && [ -L "$DIR/cluster" ]; then printf '%s\n' "$DIR" >"$(readlink "$DIR/cluster").of"; fi
        return
    fi
    if as_server test -x "$DIR"; then
        own_folder "$DIR/cluster"
    else
        create_home_elsewhere
    fi
}

create_home_elsewhere() {
    local place
    place="$ELSEWHERE/$(printf '%s' "$DIR" | sha256sum | cut -c 1-12)"
    mkdir -p "$ELSEWHERE"
    while claimed_by_another "$place"; do place="${place}x"; done
    printf '%s\n' "$DIR" >"$place.of"
    own_folder "$place"
    ln -sfn "$place" "$DIR/cluster"
    choose_server_user
    say "The user who runs PostgreSQL cannot enter $DIR, so the cluster is in $place."
}

# Whether PLACE serves a checkout other than this one: ours was copied, link and all, from that one.
claimed_by_another() {
    local other
    other="$(cat "$1.of" 2>/dev/null)" || return 1
    [ "$other" != "$DIR" ] && [ "$(readlink "$other/cluster" 2>/dev/null)" = "$1" ]
}

own_folder() {
    [ -d "$1" ] || mkdir -m 0700 "$1"
    if is_root && [ "$(stat -c %u "$1")" -eq 0 ]; then chown "$server_uid:$server_gid" "$1"; fi
}

create_password() {
    if [ -s "$DIR/password" ]; then return; fi
    (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$DIR/password")
    new_password=1
}

# Under another name until it is complete, so that an interrupted attempt is never taken for a cluster.
create_data() {
    if [ -f "$data/PG_VERSION" ]; then return; fi
    local new="$home/data.new" options=()
    if [ -n "$throwaway" ]; then
        : >"$DIR/throwaway"
        options=(--no-sync)
    fi
    as_server rm -rf "$new"
    write_as_server "$home/pwfile" <"$DIR/password"
    initialise "$new" ${options[@]+"${options[@]}"}
    as_server rm -f "$home/pwfile"
    as_server sh -c "echo \"include 'loti.conf'\" >>\"\$1\"" sh "$new/postgresql.conf"
    as_server mv "$new" "$data"
    new_password=
}

initialise() {
    local output
    output="$(as_server "$bin/initdb" --pgdata="$1" --username=postgres --pwfile="$home/pwfile" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale="$(best_locale)" \
        --data-checksums "${@:2}" 2>&1)" && return
    say "$output"
    fail "PostgreSQL could not create a cluster in $DIR: see its message above, repair the cause and try again."
}

# The same order of text on every machine.
best_locale() {
    if locale -a 2>/dev/null | grep -qiE '^C\.utf-?8$'; then echo C.UTF-8; else echo C; fi
}

# Starting -------------------------------------------------------------------------------------------------------------

# The path of a Unix socket may have 107 bytes, and a checkout may lie deeper: so it is in /tmp. A server that runs for
# weeks is safe from cleaners of /tmp, as it touches its socket every now and then.
prepare_socket_folder() {
    local folder=''
    if [ -s "$DIR/socket" ]; then folder="$(cat "$DIR/socket")"; fi
    if [ -n "$folder" ]; then
        as_server mkdir -m 0700 "$folder" 2>/dev/null || true
        # Somebody else may have taken the name while the server was stopped.
        if [ ! -L "$folder" ] && as_server test -O "$folder" && as_server chmod 0700 "$folder"; then return; fi
    fi
    as_server mktemp -d /tmp/loti-XXXXXXXX >"$DIR/socket"
}

prepare_port() {
    local port
    if [ -s "$DIR/port" ]; then
        port="$(cat "$DIR/port")"
        port_answers "$port" || return 0
        say "Port $port is taken by somebody else, so this cluster gets another one."
    fi
    free_port >"$DIR/port"
}

configuration() {
    printf '# Written at each start by deploy/local/postgres.sh.\n'
    printf "listen_addresses = '127.0.0.1'\n"
    printf 'port = %s\n' "$(cat "$DIR/port")"
    printf "unix_socket_directories = '%s'\n" "$(cat "$DIR/socket")"
    printf 'unix_socket_permissions = 0700\n'
    [ -e "$DIR/throwaway" ] || return 0
    printf '%s\n' 'fsync = off' 'synchronous_commit = off' 'full_page_writes = off' \
        'max_connections = 300' 'shared_buffers = 128MB'
}

# After kill -9 of a postmaster its children live on for a moment, and the next one refuses to start beside them. When
# nobody is left, a postmaster.pid is stale even if its number belongs to some other process by now.
clear_remains() {
    for _ in {1..100}; do
        if [ -z "$(server_processes)" ]; then break; fi
        sleep 0.1
    done
    if [ -d /proc/self ] && [ -z "$(server_processes)" ]; then as_server rm -f "$data/postmaster.pid"; fi
}

# Nobody listens on our port, so a socket of that name is a dead server's. Its lock would stop the next one for as long
# as anybody has the process id in it.
clear_socket() {
    local socket
    socket="$(cat "$DIR/socket")/.s.PGSQL.$(cat "$DIR/port")"
    as_server rm -f "$socket" "$socket.lock"
}

launch() {
    local log="$home/log"
    clear_remains
    prepare_socket_folder
    for _ in {1..5}; do
        prepare_port
        clear_socket
        configuration | write_as_server "$data/loti.conf"
        as_server sh -c "if [ -f \"\$1\" ]; then mv \"\$1\" \"\$1.old\"; fi" sh "$log"
        if as_server "$bin/pg_ctl" start -s -w -t 300 -D "$data" -l "$log" >/dev/null 2>&1; then return; fi
        # Between our look at the port and the server's somebody may have taken it.
        grep -q 'could not create any TCP/IP sockets' "$log" 2>/dev/null || break
        rm -f "$DIR/port"
    done
    tail -n 15 "$log" >&2 || true
    fail "PostgreSQL did not start from $DIR: its log, $log, ends as shown above."
}

start() {
    mkdir -p "$DIR" || fail "Cannot create $DIR: choose a folder that you may write to."
    open_folder
    create_home
    find_home
    choose_binaries
    create_password
    create_data
    wake
    if ! running || ! adopt; then
        halt fast
        launch
    fi
    if [ -n "${new_password:-}" ]; then query postgres "alter role postgres password '$(cat "$DIR/password")'"; fi
}

# Stopping -------------------------------------------------------------------------------------------------------------

# A process under SIGSTOP neither answers nor stops.
wake() { signal_all CONT; }

signal_all() {
    local pid
    for pid in $(server_processes); do send "$1" "$pid" || true; done
}

# halt MODE
halt() {
    wake
    running || return 0
    as_server "$bin/pg_ctl" stop -s -w -t 30 -m "$1" -D "$data" >/dev/null 2>&1 && return
    as_server "$bin/pg_ctl" stop -s -w -t 10 -m immediate -D "$data" >/dev/null 2>&1 && return
    signal_all KILL
}

# The next start makes the folder of the socket again, under the same name if it can. The URL of a throw-away cluster
# must not change while a test has it stopped, so that one keeps its folder.
tidy_up() {
    if [ ! -e "$DIR/throwaway" ]; then as_server rmdir "$(cat "$DIR/socket")" 2>/dev/null || true; fi
}

destroy() {
    [ -e "$DIR/throwaway" ] || fail "$DIR is not a throw-away cluster, so it is not deleted: remove it by hand if you mean to."
    local socket
    socket="$(cat "$DIR/socket" 2>/dev/null || true)"
    if [ -f "$data/PG_VERSION" ]; then halt immediate; fi
    case "$socket" in /tmp/loti-*) rm -rf "$socket" ;; esac
    case "$home" in "$ELSEWHERE"/*) rm -rf "$home" "$home.of" ;; esac
    rm -rf "$DIR"
}

# The commands ---------------------------------------------------------------------------------------------------------

# One at a time for each cluster. The server must not inherit the lock (as_server closes it): it would keep it.
lock() {
    exec 8>>"$DIR/lock"
    if have flock; then
        flock -w 300 8 || fail "Another command is busy with the cluster in $DIR: wait for it, then try again."
    fi
}

# DIR exists: from here on it is absolute, locked, and its owner is known.
open_folder() {
    DIR="$(cd "$DIR" && pwd -P)"
    [ -w "$DIR" ] || fail "Cannot use $DIR: run this as the user who owns it, or remove it."
    lock
    choose_server_user
    find_home
}

# The real path of the files: the user of the server may not be able to follow a link out of DIR.
find_home() {
    home="$(readlink "$DIR/cluster" || printf '%s\n' "$DIR/cluster")"
    data="$home/data"
}

# For commands on a cluster that exists; tells whether it does.
open_cluster() {
    [ -d "$DIR" ] || return 1
    open_folder
    [ -f "$data/PG_VERSION" ] || return 1
    choose_binaries
}

need_cluster() { open_cluster || fail "There is no cluster in $DIR: \`postgres.sh start $DIR\` makes one."; }

status() {
    local pid
    if ! open_cluster; then
        echo absent
        return 4
    fi
    if ! pid="$(postmaster)"; then
        echo stopped
        return 3
    fi
    echo "running, process $pid, port $(cat "$DIR/port")"
}

# url KIND NAME
url() {
    local port name="${2:-postgres}" role
    port="$(cat "$DIR/port")"
    role="$name"
    if [ "$1" = service ]; then role=loti_service; fi
    if [ "$1" = tcp ]; then
        printf 'postgresql://%s:%s@127.0.0.1:%s/%s\n' "$role" "$(cat "$DIR/password")" "$port" "$name"
    else
        printf 'postgresql://%s@%s:%s/%s\n' "$role" "$(sed 's|/|%2F|g' "$DIR/socket")" "$port" "$name"
    fi
}

# ensure_role NAME
ensure_role() {
    local verb=create
    if [ -n "$(query postgres "select 1 from pg_roles where rolname = '$1'")" ]; then verb=alter; fi
    query postgres "$verb role \"$1\" login password '$(cat "$DIR/password")'"
}

create() {
    [[ "$1" =~ ^[a-z_][a-z0-9_]{0,62}$ ]] || fail "$1 is no name for a database: use lower-case letters, digits and _."
    if [ "$1" != postgres ]; then ensure_role "$1"; fi
    # Migrations grant it what it needs; only a superuser could make it.
    ensure_role loti_service
    query postgres "grant loti_service to \"$1\""
    if [ -z "$(query postgres "select 1 from pg_database where datname = '$1'")" ]; then
        query postgres "create database \"$1\" owner \"$1\""
    fi
}

main() {
    if [ $# -lt 2 ] || [ -z "$2" ]; then usage; fi
    local command="$1" option='' name=''
    DIR="$2"
    shift 2
    while [ $# -gt 0 ]; do
        case "$command $1" in
            "start --throwaway" | "stop --immediate" | "url --tcp" | "url --service") option="${1#--}" ;;
            "url "[!-]* | "create "[!-]*) name="$1" ;;
            *) usage ;;
        esac
        shift
    done
    throwaway=
    case "$command" in
        start)
            if [ -n "$option" ]; then throwaway=1; fi
            # A signal half-way would leave a server that nobody knows of; it takes a second or two.
            trap '' HUP INT QUIT TERM
            start
            ;;
        stop)
            trap '' HUP INT QUIT TERM
            if open_cluster; then
                halt "${option:-fast}"
                tidy_up
            fi
            ;;
        destroy)
            trap '' HUP INT QUIT TERM
            [ -d "$DIR" ] || return 0
            open_cluster || true
            # Another one may have been faster.
            [ -d "$DIR" ] || return 0
            destroy
            ;;
        status) status ;;
        url) need_cluster && url "$option" "$name" ;;
        port) need_cluster && cat "$DIR/port" ;;
        pid) need_cluster && { postmaster || exit 3; } ;;
        create)
            if [ -z "$name" ]; then usage; fi
            need_cluster
            create "$name"
            ;;
        *) usage ;;
    esac
}

main "$@"
