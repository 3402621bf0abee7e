#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="verify"
MODULE_DEPENDS="services"
MODULE_DESCRIPTION="the application answers through Nginx"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

answer() { curl -s -o /dev/null -m 5 -w '%{http_code}' -H "Host: $CONFIG_APP_ALLOWED_HOSTS_0" "http://127.0.0.1:$CONFIG_SERVER_HOST_PORT/health"; }
check_module_installed() { [ "$(answer)" = 200 ]; }
main_module() {
    local turn
    for ((turn = 0; turn < 50; turn++)); do
        check_module_installed && return
        sleep 0.2
    done
    tail -n 3 /var/log/nginx/error.log >&2
    echo "[ERROR] GET /health through Nginx returned $(answer)" >&2
    return 1
}
