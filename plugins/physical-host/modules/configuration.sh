#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="configuration"
MODULE_DEPENDS="directories"
MODULE_DESCRIPTION="the configuration of the application"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

FILE=$CONFIG_APP_INSTALL_DIR/config.json
text() { # in JSON
    printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/\\t/g' | awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }'
}
want() {
    local variable names=""
    for variable in $(compgen -v | grep -E '^CONFIG_APP_ALLOWED_HOSTS_[0-9]+$' | sort -V); do
        names+="${names:+, }\"$(text "${!variable}")\""
    done
    cat <<END
{
  "allowed_hosts": [$names],
  "database": {
    "host": "$(text "$CONFIG_DATABASE_HOST")", "port": $CONFIG_DATABASE_PORT, "name": "$(text "$CONFIG_DATABASE_NAME")",
    "user": "$(text "$CONFIG_DATABASE_USER")", "password": "$(text "${CONFIG_DATABASE_PASSWORD:-}")"
  },
  "debug": $CONFIG_APP_DEBUG,
  "data_dir": "$(text "$CONFIG_APP_DATA_DIR")",
  "log_level": "$CONFIG_APP_LOG_LEVEL",
  "port": $CONFIG_SERVER_APP_PORT,
  "secret_key": "$(text "$CONFIG_APP_SECRET_KEY")",
  "timeout": $CONFIG_SERVER_TIMEOUT,
  "workers": $CONFIG_SERVER_WORKERS
}
END
}
check_module_installed() { want | same_file "$FILE" "$CONFIG_APP_USER:$CONFIG_APP_GROUP" 600; }
main_module() {
    if want | put_file "$FILE" "$CONFIG_APP_USER:$CONFIG_APP_GROUP" 600; then pend app; fi
    check_module_installed
}
uninstall_module() { rm -f "$FILE"; }
