#!/usr/bin/env bash
# Prints the last log lines of the containers of a deployment: scripts/logs.sh [PROJECT]
set -euo pipefail

docker ps -q --filter "label=com.docker.compose.project=${1:-template}" | xargs -r -n1 docker logs --tail 20
