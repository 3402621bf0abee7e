#!/usr/bin/env bash
# Before anything is changed: what has to be there on this side.
set -euo pipefail

for tool in ssh; do
    command -v "$tool" >/dev/null || { echo "$tool is not on the path" >&2; exit 1; }
done
number=0
name=CONFIG_NETWORK_NETWORKS_0_NAME
while [ -n "${!name:-}" ]; do
    cidr=CONFIG_NETWORK_NETWORKS_${number}_CIDR address=CONFIG_NETWORK_NETWORKS_${number}_ADDRESS interface=CONFIG_NETWORK_NETWORKS_${number}_INTERFACE
    if [ -n "${!cidr:-}" ] && [ -z "${!address:-}" ]; then
        echo "[WARNING] network ${!name}: ${!cidr} is a network and not an address in it, so nothing is set on ${!interface:-an interface}; give \`address\` as well"
    elif [ -n "${!address:-}" ] && [ -z "${!interface:-}" ]; then
        echo "[ERROR] network ${!name}: give the \`interface\` that gets the address ${!address}" >&2
        exit 1
    fi
    number=$((number + 1))
    name=CONFIG_NETWORK_NETWORKS_${number}_NAME
done
echo "deploying ${HOIST_VERSION}"
