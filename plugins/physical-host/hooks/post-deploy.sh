#!/usr/bin/env bash
# Checks that each host answers from outside, through Nginx, under its name.
set -euo pipefail

hosts=()
for variable in $(compgen -v | grep -E '^CONFIG_HOSTS_[0-9]+_CONNECTION_HOST$' | sort -V); do
    hosts+=("${!variable}")
done
[ ${#hosts[@]} -gt 0 ] || hosts=("${CONFIG_HOST_CONNECTION_HOST}")
for host in "${hosts[@]}"; do
    if ! exec 3<>"/dev/tcp/${host}/${HOST_PORT}"; then
        echo "${host} does not answer on port ${HOST_PORT}" >&2
        exit 1
    fi 2>/dev/null
    printf 'GET /health HTTP/1.0\r\nHost: %s\r\n\r\n' "${CONFIG_APP_ALLOWED_HOSTS_0}" >&3
    read -r answer <&3
    exec 3>&-
    case $answer in
        *" 200 "*) echo "${host} answers on port ${HOST_PORT}" ;;
        *) echo "${host} returned ${answer}" >&2; exit 1 ;;
    esac
done
