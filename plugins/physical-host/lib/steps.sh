# What the steps share. Sourced by every module; the configuration is in CONFIG_… variables.

NAME=$(basename "$CONFIG_APP_INSTALL_DIR")
# What a step changed that a service has to hear of; the step `services` sees to it, and a restart of the machine forgets it.
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

# How many items a list of the configuration has, each of which has this value; and a value of one of them.
items() { compgen -v | grep -cE "^CONFIG_$1_[0-9]+_$2\$"; } # LIST VALUE
item() { local variable=CONFIG_$1_$2_$3; printf '%s' "${!variable:-}"; } # LIST NUMBER VALUE

has_systemd() { [ -d /run/systemd/system ]; }
pend() { mkdir -p "$PENDING" && : >"$PENDING/$1"; }
is_pending() { [ -e "$PENDING/$1" ]; }
settled() { rm -f "$PENDING/$1"; }
wants_database() { [ "$CONFIG_DATABASE_ENABLED" = true ] && case $CONFIG_DATABASE_HOST in localhost | 127.0.0.1 | ::1) true ;; *) false ;; esac; }

# Writes standard input to a file with an owner and a mode, unless that is there; says whether it wrote.
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

# True where a file has what comes on standard input, its owner and its mode.
same_file() { # FILE OWNER MODE
    cmp -s - "$1" && [ "$(stat -c '%U:%G %a' "$1")" = "$2 ${3#0}" ]
}

# The names of all packages that the family has for what is needed.
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

# Runs a command as the user of PostgreSQL, in a directory that it may be in.
as_postgres() { (cd / && runuser -u postgres -- "$@"); }
sql() { as_postgres psql -p "$CONFIG_DATABASE_PORT" -v ON_ERROR_STOP=1 -qtA -d postgres "$@"; }
