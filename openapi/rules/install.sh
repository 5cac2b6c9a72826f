#!/usr/bin/env bash
# Installs the pinned linters: npm packages into node_modules beside this file, Python packages into
# .local/tools/openapi-rules. Does nothing, and needs no network, while the lock files are unchanged.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
exec "$here/../../deploy/local/packages.sh" openapi/rules
