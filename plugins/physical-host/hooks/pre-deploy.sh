#!/usr/bin/env bash
# Before anything is changed: what has to be there on this side.
set -euo pipefail

for tool in ssh; do
    command -v "$tool" >/dev/null || { echo "$tool is not on the path" >&2; exit 1; }
done
echo "deploying ${HOIST_VERSION}"
