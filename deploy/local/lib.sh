# shellcheck shell=bash
# What every script in this folder shares: how they speak, where things are, and how they start and stop commands.
# Sourced, never run. Nothing here changes anything on the machine by being sourced.

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
root="$(cd "$here/../.." && pwd -P)"

# The oldest PostgreSQL that the project supports.
POSTGRES_LEAST=15

# Nothing here asks anything. A terminal as input would only stop what runs apart from the foreground group, and a
# closed one would hand its number to the next file that is opened.
if [ -t 0 ] || ! { : <&0; } 2>/dev/null; then exec </dev/null; fi
export POSTGRES_LEAST here root

# Messages go to stderr: stdout belongs to what a script was asked for.
say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# at_least FOUND WANTED: compares dotted version numbers.
at_least() { printf '%s\n%s\n' "$2" "$1" | sort -V -C; }

# rustup puts cargo where a shell that is not a login shell does not look.
find_cargo() {
    if ! have cargo && [ -x "${HOME:-}/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
        export PATH
    fi
}

# Folder of what cargo builds, absolute.
target_folder() {
    local folder="${CARGO_TARGET_DIR:-target}"
    case "$folder" in
        /*) printf '%s\n' "$folder" ;;
        *) printf '%s\n' "$root/$folder" ;;
    esac
}

# The folder for everything that is local to this checkout and may be deleted.
make_local_folder() {
    mkdir -p "$root/.local" 2>/dev/null && [ -w "$root/.local" ] && return
    fail "Cannot write to $root/.local: run this as the user who owns it, or remove it."
}

# PostgreSQL -----------------------------------------------------------------------------------------------------------

# Lines "MAJOR FOLDER", newest first, one for each usable installation of the server with its tools.
# LOTI_POSTGRES_BIN names the only folder to consider.
postgres_installations() {
    local folder
    for folder in ${LOTI_POSTGRES_BIN:+"$LOTI_POSTGRES_BIN"} $(postgres_folders); do
        has_server "$folder" || continue
        printf '%s %s\n' "$("$folder/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')" "$folder"
    done | sort -rn -u -k1,1
}

# Where packagers put the server; none of them puts it on PATH for sure.
postgres_folders() {
    [ -z "${LOTI_POSTGRES_BIN:-}" ] || return 0
    ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
        /usr/local/opt/postgresql@*/bin 2>/dev/null || true
    if have pg_config; then pg_config --bindir; fi
    if have postgres; then dirname "$(command -v postgres)"; fi
}

has_server() {
    local tool
    for tool in postgres initdb pg_ctl psql; do
        [ -x "$1/$tool" ] || return 1
    done
}

# find_postgres [MAJOR]: the folder of that version, else of the newest that the project supports.
find_postgres() {
    local major folder
    while read -r major folder; do
        if [ -n "${1:-}" ]; then
            [ "$major" = "$1" ] || continue
        else
            [ "$major" -ge "$POSTGRES_LEAST" ] || continue
        fi
        printf '%s\n' "$folder"
        return 0
    done < <(postgres_installations)
    return 1
}

# Ports ----------------------------------------------------------------------------------------------------------------

# port_answers PORT [ADDRESS]: whether somebody listens there.
port_answers() { (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null; }

# A port nobody listens on. It lies below the range from which the kernel hands out ports for outgoing connections:
# one of those could take it while its owner restarts.
free_port() {
    local port
    for _ in {1..200}; do
        port=$((20000 + RANDOM % 12000))
        port_answers "$port" || {
            printf '%s\n' "$port"
            return
        }
    done
    fail "Found no free port between 20000 and 31999: stop some of the services that listen there."
}

# Commands that take a while -------------------------------------------------------------------------------------------

# spawn COMMAND...: starts it and leaves its process id in $spawned.
#
# It gets a process group of its own: Ctrl-C in a terminal goes to the whole foreground group, and then the service, the
# database and this script would all stop at once instead of in order. Where Linux can, it is told to stop when this
# script dies without a chance to say goodbye. Descriptors 7 to 9 are this folder's locks and leases; a child that kept
# one would hold it after us.
spawn() {
    local leash=()
    if setpriv --pdeathsig keep true 2>/dev/null; then leash=(setpriv --pdeathsig TERM); fi
    set -m
    ${leash[@]+"${leash[@]}"} "$@" <&0 7>&- 8>&- 9>&- &
    spawned=$!
    set +m
}

# run COMMAND...: like calling it, but a signal to this script is acted on at once and not when the command is done.
run() {
    local status=0
    spawn "$@"
    wait "$spawned" || status=$?
    spawned=
    return "$status"
}

# group_lives PGID: whether a process of the group is left. The dead whom nobody buried do not count: in a container the
# first process often never does, and signals still find them.
group_lives() {
    kill -0 -- "-$1" 2>/dev/null || return 1
    [ -d /proc/self ] || return 0
    local file line fields
    for file in /proc/[0-9]*/stat; do
        { read -r line <"$file"; } 2>/dev/null || continue
        # After the name, which may contain anything: state, parent, group.
        read -r -a fields <<<"${line##*) }"
        if [ "${fields[2]}" = "$1" ] && [ "${fields[0]}" != Z ]; then return 0; fi
    done
    return 1
}

# stop_spawned PID SECONDS: asks the command and all it started to stop; insists after SECONDS or on a second Ctrl-C.
stop_spawned() {
    local hurry='' waited=0 limit=$(($2 * 10))
    trap 'hurry=1' INT
    kill -TERM -- "-$1" 2>/dev/null || true
    while group_lives "$1"; do
        if [ -n "$hurry" ] && [ "$waited" -lt "$limit" ]; then waited=$limit; fi
        if [ "$waited" -ge "$limit" ]; then kill -KILL -- "-$1" 2>/dev/null || true; fi
        if [ "$waited" -ge $((limit + 50)) ]; then break; fi
        sleep 0.1 || true
        waited=$((waited + 1))
    done
    trap '' INT
    { wait "$1"; } 2>/dev/null || true
}

# The ways in which somebody ends a script; `finish`, which the script defines, then runs through the EXIT trap.
end_on_signals() {
    spawned=
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 131' QUIT
    trap 'exit 143' TERM
    trap 'status=$?; trap "" HUP INT QUIT TERM; finish; exit "$status"' EXIT
}
