#!/usr/bin/env bash
# Before anything is changed: what has to be there.
set -euo pipefail

command -v docker >/dev/null || { echo "docker is not on the path" >&2; exit 1; }
echo "deploying ${HOIST_PROJECT} ${HOIST_VERSION} on port ${HOST_PORT}"
