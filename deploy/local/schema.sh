#!/usr/bin/env bash
# Writes schema.rs anew from the migrations, applied to a throw-away database: this is `make schema`.
#
# The migrations are applied with diesel's own tool and not with `loti migrate`: while a migration is being written, the
# service often does not compile until schema.rs knows the new column.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

diesel="$root/.local/tools/bin/diesel"
new="$root/.local/schema.rs.new"

main() {
    cd "$root"
    if [ -z "${LOTI_TEST_CLUSTER:-}" ]; then exec "$here/with-postgres.sh" "${BASH_SOURCE[0]}"; fi
    [ -x "$diesel" ] || fail "diesel is not installed: run \`make setup\`."
    find_cargo
    "$LOTI_TEST_POSTGRES" create "$LOTI_TEST_CLUSTER" schema
    local url
    url="$("$LOTI_TEST_POSTGRES" url "$LOTI_TEST_CLUSTER" schema)"
    # Under diesel.toml this step would already write schema.rs, unformatted.
    "$diesel" migration run --database-url "$url" --config-file /dev/null --migration-dir db/migrations ||
        fail "A migration failed: see above, repair it in db/migrations and try again."
    "$diesel" print-schema --database-url "$url" | rustfmt --edition 2024 >"$new" ||
        fail "diesel could not print the schema: see above."
    mv "$new" schema.rs
}

main
