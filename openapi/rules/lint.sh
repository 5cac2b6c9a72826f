#!/usr/bin/env bash
# lint.sh [DOCUMENT]: the public linters over an OpenAPI document, openapi/v1.json unless another is named.
# Exit code 0 means that every tool ran and found nothing that waivers.yaml does not name.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
document=$(realpath -m -- "${1:-$here/../v1.json}")
"$here/install.sh"
exec "$here/../../.local/tools/openapi-rules/bin/python" -I "$here/lint.py" "$document"
