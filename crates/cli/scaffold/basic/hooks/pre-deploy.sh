#!/usr/bin/env bash
# Runs before the deployment. When it fails, nothing is changed.
# The configuration is available as JSON in $HOIST_CONFIG, and as environment variables.
set -euo pipefail

echo "$APP_NAME is about to be deployed"
