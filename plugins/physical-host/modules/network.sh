#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="network"
MODULE_DEPENDS="host"
MODULE_DESCRIPTION="the addresses of the networks"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

count() { items NETWORK_NETWORKS NAME; }
get() { item NETWORK_NETWORKS "$1" "$2"; }
has() { ip -o addr show dev "$1" 2>/dev/null | grep -qwF "$2"; }
check_module_installed() {
    local number
    for ((number = 0; number < $(count); number++)); do
        [ -n "$(get "$number" INTERFACE)" ] || continue
        ip link show dev "$(get "$number" INTERFACE)" >/dev/null 2>&1 || return 1
        [ -z "$(get "$number" ADDRESS)" ] || has "$(get "$number" INTERFACE)" "$(get "$number" ADDRESS)" || return 1
    done
}
main_module() {
    local number name interface
    for ((number = 0; number < $(count); number++)); do
        name=$(get "$number" NAME) interface=$(get "$number" INTERFACE)
        [ -n "$interface" ] || continue
        if ! ip link show dev "$interface" >/dev/null 2>&1; then
            echo "[ERROR] network $name: this machine has no interface $interface" >&2
            return 1
        fi
        [ -n "$(get "$number" ADDRESS)" ] || continue
        ip addr replace "$(get "$number" ADDRESS)" dev "$interface" || return
    done
}
uninstall_module() {
    local number
    for ((number = 0; number < $(count); number++)); do
        [ -z "$(get "$number" ADDRESS)" ] || ip addr del "$(get "$number" ADDRESS)" dev "$(get "$number" INTERFACE)" 2>/dev/null
    done
    true
}
