#!/usr/bin/env bash
# Checks the requirements before anything is changed.
set -euo pipefail

command -v docker >/dev/null || { echo "docker is not on PATH" >&2; exit 1; }
echo "deploying ${HOIST_PROJECT} ${HOIST_VERSION} on port ${HOST_PORT}"
