# Functions of the steps. Sourced by every module; the configuration is in CONFIG_… variables.

NAME=$(basename "$CONFIG_APP_INSTALL_DIR")
# Changes that require the restart of a service, for the step `services`. Lost when the machine restarts.
PENDING=/run/hoist-pending

say_family() {
    local id like
    id=$(. /etc/os-release && echo "$ID")
    like=$(. /etc/os-release && echo "${ID_LIKE:-}")
    for word in $id $like; do
        case $word in
            debian | ubuntu) echo debian; return ;;
            rhel | fedora | centos | rocky | almalinux) echo redhat; return ;;
            suse | opensuse*) echo suse; return ;;
            arch | manjaro) echo arch; return ;;
        esac
    done
    echo "unknown ($id)"
}

# Number of items of a list in the configuration that have a value, and that value of one item.
items() { compgen -v | grep -cE "^CONFIG_$1_[0-9]+_$2\$"; } # LIST VALUE
item() { local variable=CONFIG_$1_$2_$3; printf '%s' "${!variable:-}"; } # LIST NUMBER VALUE

has_systemd() { [ -d /run/systemd/system ]; }
pend() { mkdir -p "$PENDING" && : >"$PENDING/$1"; }
is_pending() { [ -e "$PENDING/$1" ]; }
settled() { rm -f "$PENDING/$1"; }
wants_database() { [ "$CONFIG_DATABASE_ENABLED" = true ] && case $CONFIG_DATABASE_HOST in localhost | 127.0.0.1 | ::1) true ;; *) false ;; esac; }

# Writes standard input to a file with an owner and a mode, unless it has them already; reports whether it wrote.
put_file() { # FILE OWNER MODE
    local new
    new=$(mktemp "$1.XXXXXX") || return
    cat >"$new" && chown "$2" "$new" && chmod "$3" "$new" || { rm -f "$new"; return 1; }
    if cmp -s "$new" "$1" && [ "$(stat -c '%U:%G %a' "$1")" = "$(stat -c '%U:%G %a' "$new")" ]; then
        rm -f "$new"
        return 1
    fi
    mv "$new" "$1"
}

# Succeeds if a file has the content of standard input, the owner and the mode.
same_file() { # FILE OWNER MODE
    cmp -s - "$1" && [ "$(stat -c '%U:%G %a' "$1")" = "$2 ${3#0}" ]
}

# The names of the required packages in this OS family.
package_names() {
    case $(say_family) in
        debian) echo python3 python3-venv supervisor nginx curl; wants_database && echo postgresql ;;
        redhat) echo python3 supervisor nginx curl; wants_database && echo postgresql-server ;;
        suse) echo python3 supervisor nginx curl; wants_database && echo postgresql-server ;;
        arch) echo python supervisor nginx curl; wants_database && echo postgresql ;;
    esac
    return 0
}

missing_packages() {
    local package
    for package in $(package_names); do
        case $(say_family) in
            debian) [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ;;
            redhat | suse) rpm -q --quiet "$package" ;;
            arch) pacman -Qq "$package" >/dev/null 2>&1 ;;
        esac || echo "$package"
    done
}

nginx_site() { if [ -d /etc/nginx/sites-available ]; then echo "/etc/nginx/sites-available/$NAME"; else echo "/etc/nginx/conf.d/$NAME.conf"; fi; }
supervisor_file() {
    if [ -d /etc/supervisor/conf.d ]; then echo "/etc/supervisor/conf.d/$NAME.conf"; else echo "/etc/supervisord.d/$NAME.ini"; fi
}

# Runs a command as the PostgreSQL user, in a directory that it can access.
as_postgres() { (cd / && runuser -u postgres -- "$@"); }
sql() { as_postgres psql -p "$CONFIG_DATABASE_PORT" -v ON_ERROR_STOP=1 -qtA -d postgres "$@"; }
