#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="supervisor"
MODULE_DEPENDS="packages venv configuration"
MODULE_DESCRIPTION="Supervisor keeps the application running"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

FILE=$(supervisor_file)
want() {
    cat <<END
[program:$NAME]
command=$CONFIG_APP_INSTALL_DIR/venv/bin/python $CONFIG_APP_INSTALL_DIR/app/server.py $CONFIG_APP_INSTALL_DIR/config.json
directory=$CONFIG_APP_DATA_DIR
user=$CONFIG_APP_USER
environment=USER="$CONFIG_APP_USER",HOME="$CONFIG_APP_DATA_DIR"
autostart=true
autorestart=true
stopasgroup=true
stdout_logfile=$CONFIG_APP_LOG_DIR/app.log
redirect_stderr=true
END
}
check_module_installed() { want | same_file "$FILE" root:root 644; }
main_module() {
    mkdir -p "$(dirname "$FILE")" || return
    if want | put_file "$FILE" root:root 644; then pend supervisor; fi
    check_module_installed
}
uninstall_module() {
    rm -f "$FILE"
    supervisorctl reread >/dev/null 2>&1 && supervisorctl update >/dev/null 2>&1
    true
}
