#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="storage"
MODULE_DEPENDS="directories"
MODULE_DESCRIPTION="the volumes"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

count() { items STORAGE_VOLUMES PATH; }
get() { item STORAGE_VOLUMES "$1" "$2"; }
line() { # of /etc/fstab
    local options
    options=$(get "$1" OPTIONS_MOUNT)
    printf '%s:%s %s nfs %s 0 0' "$(get "$1" OPTIONS_SERVER)" "$(get "$1" OPTIONS_EXPORT)" "$(get "$1" PATH)" "${options:-defaults,_netdev}"
}
# Directories inside those of the application belong to its user.
is_own() { case $1/ in "$CONFIG_APP_DATA_DIR"/* | "$CONFIG_APP_INSTALL_DIR"/* | "$CONFIG_APP_LOG_DIR"/*) ;; *) false ;; esac; }
is_owned() { ! is_own "$1" || [ "$(stat -c '%U:%G' "$1")" = "$CONFIG_APP_USER:$CONFIG_APP_GROUP" ]; }
free_gb() { df -P -B1G "$1" | awk 'NR == 2 { print $4 }'; }
check_module_installed() {
    local number
    for ((number = 0; number < $(count); number++)); do
        [ -d "$(get "$number" PATH)" ] || return 1
        [ "$(get "$number" TYPE)" = nfs ] || is_owned "$(get "$number" PATH)" || return 1
        if [ "$(get "$number" TYPE)" = nfs ]; then
            grep -qxF "$(line "$number")" /etc/fstab && mountpoint -q "$(get "$number" PATH)" || return 1
        fi
    done
}
main_module() {
    local number path size
    for ((number = 0; number < $(count); number++)); do
        path=$(get "$number" PATH) size=$(get "$number" SIZE_GB)
        [ -d "$path" ] || install -d "$path" || return
        if [ "$(get "$number" TYPE)" != nfs ] && ! is_owned "$path"; then
            chown "$CONFIG_APP_USER:$CONFIG_APP_GROUP" "$path" && chmod 0750 "$path" || return
        fi
        if [ "$(get "$number" TYPE)" = nfs ]; then
            if ! grep -qxF "$(line "$number")" /etc/fstab; then
                # One line for each mount point: an earlier one is replaced.
                sed -i "\\|^[^#][^ ]* $path nfs |d" /etc/fstab && line "$number" >>/etc/fstab && echo >>/etc/fstab || return
            fi
            mountpoint -q "$path" || mount "$path" || return
        elif [ -n "$size" ] && [ "$(free_gb "$path")" -lt "${size%.*}" ]; then
            echo "[WARNING] $path has $(free_gb "$path") GB of free space, but ${size} GB are required" >&2
        fi
    done
}
uninstall_module() {
    local number path
    for ((number = 0; number < $(count); number++)); do
        path=$(get "$number" PATH)
        if [ "$(get "$number" TYPE)" = nfs ]; then
            mountpoint -q "$path" && { umount "$path" || return; }
            sed -i "\\|^[^#][^ ]* $path nfs |d" /etc/fstab
        fi
    done
}
