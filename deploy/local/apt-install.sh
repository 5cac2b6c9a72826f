#!/usr/bin/env bash
# Installs packages on Debian and Ubuntu; the only thing here that needs root, and all that root is asked to do.
#
#   apt-install.sh PACKAGE...      `postgresql` stands for the newest PostgreSQL server there is, at least 15
#
# Debian's server package creates a default cluster and starts every cluster of the machine. Neither is wanted here: we
# need the programs, and any cluster that exists is somebody's. Both are prevented while this runs, and only then.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

no_cluster=/etc/postgresql-common/createcluster.d/loti.conf
no_start=/usr/sbin/policy-rc.d
wrote_no_start=

forbid_clusters() {
    mkdir -p "${no_cluster%/*}"
    printf '# Only while packages are installed for LOTI.\ncreate_main_cluster = false\n' >"$no_cluster"
    # Somebody's own policy stands; there is none on an ordinary machine.
    if [ -e "$no_start" ]; then return; fi
    wrote_no_start=1
    # Should we be killed before we remove it, it allows everything again: 101 is "forbidden".
    cat >"$no_start" <<POLICY
#!/bin/sh
# Only while packages are installed for LOTI.
[ -d /proc/$$ ] || exit 0
case "\$1" in postgresql*) exit 101 ;; esac
exit 0
POLICY
    chmod 0755 "$no_start"
}

allow_clusters() {
    rm -f "$no_cluster"
    if [ -n "$wrote_no_start" ]; then rm -f "$no_start"; fi
}

apt() {
    # needrestart would restart services of others after an upgraded library.
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2 ||
        fail "apt-get $1 failed: see its message above, repair the cause and try again."
}

server_package() {
    local newest
    newest="$(apt-cache pkgnames postgresql- | sed -nE 's/^postgresql-([0-9]+)$/\1/p' | sort -n | tail -n 1)"
    if [ "${newest:-0}" -ge "$POSTGRES_LEAST" ]; then
        printf 'postgresql-%s\n' "$newest"
        return
    fi
    say "This release has PostgreSQL ${newest:-none}, and $POSTGRES_LEAST or newer is needed: add the packages of the"
    fail "PostgreSQL project as https://www.postgresql.org/download/ says, then try again."
}

main() {
    is_root || fail "Only root can install packages: run \`sudo $here/apt-install.sh $*\`."
    trap allow_clusters EXIT
    trap 'exit 130' INT
    trap 'exit 143' HUP TERM
    say "Installing $*."
    apt update
    local package packages=()
    for package in "$@"; do
        if [ "$package" = postgresql ]; then package="$(server_package)"; fi
        packages+=("$package")
    done
    forbid_clusters
    apt install --no-install-recommends "${packages[@]}"
}

main "$@"
