#!/usr/bin/env bash
# Runs before anything is changed; where it fails, nothing is. The configuration is in $HOIST_CONFIG (JSON) and in variables.
set -euo pipefail

echo "$APP_NAME is about to be deployed"
