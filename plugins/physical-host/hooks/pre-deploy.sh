#!/usr/bin/env bash
# Checks the requirements on this machine before anything is changed.
set -euo pipefail

for tool in ssh; do
    command -v "$tool" >/dev/null || { echo "$tool is not on PATH" >&2; exit 1; }
done
number=0
name=CONFIG_NETWORK_NETWORKS_0_NAME
while [ -n "${!name:-}" ]; do
    cidr=CONFIG_NETWORK_NETWORKS_${number}_CIDR address=CONFIG_NETWORK_NETWORKS_${number}_ADDRESS interface=CONFIG_NETWORK_NETWORKS_${number}_INTERFACE
    if [ -n "${!cidr:-}" ] && [ -z "${!address:-}" ]; then
        echo "[WARNING] network ${!name}: ${!cidr} is a network, not an address in it, so nothing is set on ${!interface:-an interface}; add \`address\`"
    elif [ -n "${!address:-}" ] && [ -z "${!interface:-}" ]; then
        echo "[ERROR] network ${!name}: add the \`interface\` for the address ${!address}" >&2
        exit 1
    fi
    number=$((number + 1))
    name=CONFIG_NETWORK_NETWORKS_${number}_NAME
done
echo "deploying ${HOIST_VERSION}"
