#!/usr/bin/env bash
# schemathesis.sh BASE_URL [TOKEN [DOCUMENT]]: tests a running server on this machine against the document, as nobody or,
# with the bearer token of an administrator, as they and as they leave. It creates, changes and removes data.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
"$here/install.sh"
if [ $# -ge 3 ]; then set -- "$1" "$2" "$(realpath -m -- "$3")"; fi
exec "$here/../../.local/tools/openapi-rules/bin/python" -I "$here/live.py" "$@"
