#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="services"
MODULE_DEPENDS="supervisor nginx database storage network"
MODULE_DESCRIPTION="the services run what the other steps made"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

app_runs() { pgrep -u "$CONFIG_APP_USER" -f "$CONFIG_APP_INSTALL_DIR/app/server.py" >/dev/null; }
supervisor_runs() { pgrep -x supervisord >/dev/null || pgrep -f /supervisord >/dev/null; }
nginx_runs() { [ -s /run/nginx.pid ] && kill -0 "$(cat /run/nginx.pid)" 2>/dev/null; }
check_module_installed() { ! is_pending app && ! is_pending supervisor && ! is_pending nginx && app_runs && nginx_runs; }
start() { if has_systemd; then systemctl start "$1"; else service "$1" start; fi; }
main_module() {
    local turn
    if ! supervisor_runs; then
        { has_systemd && systemctl start supervisor 2>/dev/null; } || service supervisor start || supervisord || return
        for ((turn = 0; turn < 50; turn++)); do supervisorctl pid >/dev/null 2>&1 && break; sleep 0.1; done
    fi
    # Restarts only what changed.
    supervisorctl reread >/dev/null && supervisorctl update >/dev/null || return
    if is_pending app || ! app_runs; then supervisorctl restart "$NAME" >/dev/null || supervisorctl start "$NAME" || return; fi
    for ((turn = 0; turn < 100; turn++)); do
        case $(supervisorctl status "$NAME") in
            *RUNNING*) break ;;
            *FATAL* | *BACKOFF*) break ;;
        esac
        sleep 0.1
    done
    if ! supervisorctl status "$NAME" | grep -q RUNNING; then
        echo "[ERROR] Supervisor cannot keep $NAME running: $(supervisorctl status "$NAME")" >&2
        tail -n 5 "$CONFIG_APP_LOG_DIR/app.log" >&2
        return 1
    fi
    settled app && settled supervisor
    nginx -t -q || return
    if ! nginx_runs; then start nginx || return; elif is_pending nginx; then { has_systemd && systemctl reload nginx; } || nginx -s reload || return; fi
    settled nginx
    # Both need a moment to start.
    for ((turn = 0; turn < 100; turn++)); do check_module_installed && return; sleep 0.1; done
    if ! nginx_runs; then echo "[ERROR] Nginx is not running" >&2; fi
    if ! app_runs; then
        echo "[ERROR] $NAME is not running: $(supervisorctl status "$NAME")" >&2
        tail -n 5 "$CONFIG_APP_LOG_DIR/app.log" >&2
    fi
    return 1
}
