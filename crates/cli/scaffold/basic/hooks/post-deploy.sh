#!/usr/bin/env bash
# Runs after the deployment. When it fails, the deployment is reported as failed.
set -euo pipefail

echo "$APP_NAME is deployed"
