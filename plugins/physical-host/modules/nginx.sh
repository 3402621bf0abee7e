#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="nginx"
MODULE_DEPENDS="packages"
MODULE_DESCRIPTION="Nginx in front of the application"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

FILE=$(nginx_site)
LINK=/etc/nginx/sites-enabled/$NAME
want() {
    local variable names=""
    for variable in $(compgen -v | grep -E '^CONFIG_APP_ALLOWED_HOSTS_[0-9]+$' | sort -V); do
        names+=" ${!variable}"
    done
    cat <<END
server {
    listen $CONFIG_SERVER_HOST_PORT;
    server_name${names/ \*/ _};
    location / {
        proxy_pass http://127.0.0.1:$CONFIG_SERVER_APP_PORT;
        proxy_set_header Host \$host;
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        proxy_read_timeout ${CONFIG_SERVER_TIMEOUT}s;
    }
}
END
}
linked() { case $FILE in */sites-available/*) [ "$(readlink "$LINK")" = "$FILE" ] ;; esac; }
check_module_installed() { want | same_file "$FILE" root:root 644 && linked; }
main_module() {
    local former="" said
    if [ -e "$FILE" ]; then former=$(mktemp) && cp -p "$FILE" "$former" || return; fi
    if want | put_file "$FILE" root:root 644; then pend nginx; fi
    if ! linked; then ln -sfn "$FILE" "$LINK" && pend nginx || return; fi
    # A file that Nginx rejects is restored, and Nginx keeps running with the old one.
    if ! said=$(nginx -t 2>&1); then
        if [ -n "$former" ]; then mv "$former" "$FILE"; else rm -f "$FILE" "$LINK"; fi
        settled nginx
        printf '[ERROR] Nginx rejected its configuration file, which was restored: %s\n' "$(printf '%s' "$said" | head -n 1)" >&2
        return 1
    fi
    rm -f "$former"
}
uninstall_module() {
    rm -f "$LINK" "$FILE"
    nginx -t >/dev/null 2>&1 && { has_systemd && systemctl reload nginx || nginx -s reload; } >/dev/null 2>&1
    true
}
