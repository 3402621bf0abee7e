#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="directories"
MODULE_DEPENDS="account"
MODULE_DESCRIPTION="the directories of the application"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

want() { printf '%s\n' "$CONFIG_APP_INSTALL_DIR" "$CONFIG_APP_DATA_DIR" "$CONFIG_APP_LOG_DIR"; }
check_module_installed() {
    local directory
    while read -r directory; do
        [ "$(stat -c '%F %U:%G %a' "$directory" 2>/dev/null)" = "directory $CONFIG_APP_USER:$CONFIG_APP_GROUP 750" ] || return 1
    done < <(want)
}
main_module() {
    local directory
    while read -r directory; do
        install -d -o "$CONFIG_APP_USER" -g "$CONFIG_APP_GROUP" -m 0750 "$directory" || return
    done < <(want)
}
# Files of the application are kept; only empty directories are removed.
uninstall_module() { want | xargs -d '\n' rmdir --ignore-fail-on-non-empty 2>/dev/null || true; }
