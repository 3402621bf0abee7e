#!/bin/sh
# Writes its configuration, except for secrets, and serves files.
set -eu

[ -n "${SECRET_KEY:-}" ] || { echo "SECRET_KEY is not set" >&2; exit 1; }
date >>/data/starts
cat >/www/config <<END
database=${DB_USER}@${DB_HOST}:${DB_PORT}/${DB_NAME}
debug=${DEBUG}
log_level=${LOG_LEVEL}
maintenance=${MAINTENANCE:-false}
END
echo "listening on 8080, log level ${LOG_LEVEL}"
httpd -f -p 8080 -h /www &
# The first process of a container must handle the signal to stop itself.
trap 'kill $!' TERM INT
wait $!
