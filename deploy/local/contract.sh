#!/usr/bin/env bash
# Holds a running service against its own OpenAPI document: this is `make contract`.
#
# The debug build serves a scratch database on a free port, and openapi/rules/schemathesis.sh calls every operation,
# anonymously and as administrator. The service's log is in .local/contract.log.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

# call_everything [TOKEN]
call_everything() {
    run openapi/rules/schemathesis.sh "http://$LOTI_LISTEN/v1" "$@" ||
        fail "The service and openapi/v1.json disagree: see above; the service's log is $log."
}

main() {
    cd "$root"
    make_local_folder
    if [ -z "${LOTI_TEST_CLUSTER:-}" ]; then exec "$here/with-postgres.sh" "${BASH_SOURCE[0]}"; fi
    need_build
    end_on_signals
    set_environment contract
    # Thousands of calls from one address are the point here.
    export LOTI_RATE_LIMIT_ANONYMOUS=1000000 LOTI_RATE_LIMIT_TOKEN=1000000 LOTI_RATE_LIMIT_ADDRESS=1000000 LOTI_QUOTA_FACTOR=1000
    prepare_service
    start_service
    # In two parts, as a token does not live as long as both.
    call_everything
    take_token
    call_everything "$LOTI_ADMIN_TOKEN"
    # As tests/support/logs.rs, which sees more.
    ! grep -nE 'eyJ|[Bb]earer |loti_[0-9a-f]{32}|"[0-9a-f]{64}"|://[^/" ]+:[^/" ]+@|[[:alnum:]._%+-]@[[:alnum:]-]+\.[[:alnum:]]' "$log" ||
        fail "A secret or something of a person is in $log: see above."
    kill -0 "$service" 2>/dev/null || fail "The service did not survive the calls: see the end of $log."
}

main
