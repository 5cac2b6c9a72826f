#!/usr/bin/env bash
# Lets OAuth 2.0, OpenID Connect, calendar, office and compliance software of others call a running service: this is `make peers`.
#
# The debug build serves a scratch database on a free port, and each program of tests/peers calls it. The service's log
# is in .local/peers.log.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

peers=(machine_authlib.py machine_openid_client.mjs identity_providers.mjs calendars.py calendars.mjs leases.py assessments.py)

# All that a peer is told of the service is where its metadata are; the token is for what is no peer's to do.
call_from() {
    local command=(node "tests/peers/$1")
    case "$1" in *.py) command=("$root/.local/tools/tests-peers/bin/python" -I "tests/peers/$1") ;; esac
    take_token
    export LOTI_METADATA="http://$LOTI_LISTEN/.well-known/oauth-authorization-server"
    # They are on this machine: no proxy stands between.
    run env NO_PROXY='*' no_proxy='*' "${command[@]}" ||
        fail "tests/peers/$1 failed: see above; the service's log is $log."
}

main() {
    cd "$root"
    make_local_folder
    "$here/packages.sh" tests/peers
    if [ -z "${LOTI_TEST_CLUSTER:-}" ]; then exec "$here/with-postgres.sh" "${BASH_SOURCE[0]}"; fi
    need_build
    end_on_signals
    set_environment peers
    # Identity providers are public, but those here.
    export LOTI_FETCH_PRIVATE_NETWORKS=127.0.0.0/8
    prepare_service
    start_service
    local peer
    for peer in "${peers[@]}"; do call_from "$peer"; done
    kill -0 "$service" 2>/dev/null || fail "The service did not survive the calls: see the end of $log."
}

main
