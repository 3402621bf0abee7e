#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="database"
MODULE_DEPENDS="packages"
MODULE_DESCRIPTION="PostgreSQL has the database and its user"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

cluster() { pg_lsclusters -h | awk -v port="$CONFIG_DATABASE_PORT" '$3 == port { print $1, $2, $4; exit }'; }
online() {
    if command -v pg_lsclusters >/dev/null; then [ "$(cluster | cut -d ' ' -f 3)" = online ]; else as_postgres pg_isready -q -p "$CONFIG_DATABASE_PORT"; fi
}
login() { PGPASSWORD=${CONFIG_DATABASE_PASSWORD:-} psql -w -h 127.0.0.1 -p "$CONFIG_DATABASE_PORT" -U "$CONFIG_DATABASE_USER" -d "$CONFIG_DATABASE_NAME" -qtAc "$1"; }
state() { # one connection shows the state of server, role, password and database
    login "select current_setting('max_connections')" 2>/dev/null
}
check_module_installed() {
    wants_database || return 0
    [ "$(state)" = "${CONFIG_DATABASE_MAX_CONNECTIONS:-100}" ]
}
start() {
    online && return
    if has_systemd; then
        systemctl start postgresql
    elif command -v pg_ctlcluster >/dev/null; then
        # shellcheck disable=SC2046
        pg_ctlcluster $(cluster | cut -d ' ' -f 1,2) start
    else
        echo "[ERROR] PostgreSQL is not running, and there is no service manager to start it" >&2
        return 1
    fi
}
main_module() {
    local user=$CONFIG_DATABASE_USER name=$CONFIG_DATABASE_NAME password=${CONFIG_DATABASE_PASSWORD:-}
    if ! [ -e /etc/postgresql ] && command -v postgresql-setup >/dev/null; then postgresql-setup --initdb || true; fi
    start || return
    # Passwords are passed on standard input, which other users cannot see.
    if [ -z "$(sql -c "select 1 from pg_roles where rolname = '$user'")" ]; then sql -c "create role \"$user\" login" || return; fi
    sql <<<"alter role \"$user\" password '${password//\'/\'\'}'" || return
    if [ -z "$(sql -c "select 1 from pg_database where datname = '$name'")" ]; then sql -c "create database \"$name\" owner \"$user\"" || return; fi
    if [ "$(sql -c "show max_connections")" != "${CONFIG_DATABASE_MAX_CONNECTIONS:-100}" ]; then
        sql -c "alter system set max_connections = ${CONFIG_DATABASE_MAX_CONNECTIONS:-100}" || return
        # shellcheck disable=SC2046
        if has_systemd; then systemctl restart postgresql; else pg_ctlcluster $(cluster | cut -d ' ' -f 1,2) restart; fi || return
    fi
    check_module_installed
}
uninstall_module() {
    wants_database || return 0
    [ -z "$(sql -c "select 1 from pg_database where datname = '$CONFIG_DATABASE_NAME'" 2>/dev/null)" ] ||
        echo "[WARNING] the database $CONFIG_DATABASE_NAME and its user $CONFIG_DATABASE_USER are kept, with their data"
}
