#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="account"
MODULE_DEPENDS="host"
MODULE_DESCRIPTION="the user and the group of the application"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

check_module_installed() {
    getent group "$CONFIG_APP_GROUP" >/dev/null && [ "$(id -gn "$CONFIG_APP_USER" 2>/dev/null)" = "$CONFIG_APP_GROUP" ]
}
main_module() {
    getent group "$CONFIG_APP_GROUP" >/dev/null || groupadd --system "$CONFIG_APP_GROUP" || return
    if id -u "$CONFIG_APP_USER" >/dev/null 2>&1; then
        usermod -g "$CONFIG_APP_GROUP" "$CONFIG_APP_USER"
    else
        useradd --system -M -d "$CONFIG_APP_DATA_DIR" -g "$CONFIG_APP_GROUP" -s /usr/sbin/nologin "$CONFIG_APP_USER"
    fi
}
uninstall_module() {
    ! id -u "$CONFIG_APP_USER" >/dev/null 2>&1 || echo "[WARNING] the user $CONFIG_APP_USER and the group $CONFIG_APP_GROUP are kept, since files may belong to them"
}
