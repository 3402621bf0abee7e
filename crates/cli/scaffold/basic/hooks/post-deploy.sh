#!/usr/bin/env bash
# Runs after the deployment; where it fails, the deployment has failed.
set -euo pipefail

echo "$APP_NAME is deployed"
