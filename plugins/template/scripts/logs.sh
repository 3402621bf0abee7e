#!/usr/bin/env bash
# The last lines of what the containers of a deployment say: scripts/logs.sh [PROJECT]
set -euo pipefail

docker ps -q --filter "label=com.docker.compose.project=${1:-template}" | xargs -r -n1 docker logs --tail 20
