#!/usr/bin/env bash
# Checks that the application answers from outside.
set -euo pipefail

exec 3<>"/dev/tcp/127.0.0.1/${HOST_PORT}"
printf 'GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r answer <&3
case $answer in
    *" 200 "*) echo "the application answers on port ${HOST_PORT}" ;;
    *) echo "the application returned ${answer}" >&2; exit 1 ;;
esac
