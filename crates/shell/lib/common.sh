# Helpers for modules of collections without a lib/common.sh of their own. They work with `set -u`, errexit and pipefail.
# Messages are written to standard error in a format that hoist reads.

__hoist_log() {
    local level=$1
    shift
    local text="$*"
    printf '::hoist:%s::%s\n' "$level" "${text//$'\n'/ }" >&2
    return 0
}
log_info() { __hoist_log info "$@"; }
log_success() { __hoist_log success "$@"; }
log_warning() { __hoist_log warning "$@"; }
log_error() { __hoist_log error "$@"; }

command_exists() { command -v "${1-}" >/dev/null 2>&1; }

is_root() { [[ ${EUID:-0} -eq 0 ]]; }

has_sudo() { command_exists sudo && sudo -n true >/dev/null 2>&1; }

run_as_root() {
    if is_root; then
        "$@"
    elif command_exists sudo && sudo -n -l -- "$@" >/dev/null 2>&1; then
        sudo -n -- "$@"
    else
        log_error "root is required to run: $* (run hoist as root, or allow passwordless sudo)"
        return 1
    fi
}

# check_prerequisites COMMAND...: fails and lists the missing commands.
check_prerequisites() {
    local command missing=""
    for command in "$@"; do
        command_exists "$command" || missing="$missing $command"
    done
    if [[ -n $missing ]]; then
        log_error "missing commands:$missing"
        return 1
    fi
    return 0
}

# get_package_names NAME...: prints the names of the packages on this system, one per line.
get_package_names() { "$HOIST_BIN" __package-names "$@"; }

# hoist sets these variables before it runs a script; these functions set them in a shell without hoist.
detect_os() {
    : "${OS_ID:=unknown}" "${OS_VERSION:=}" "${OS_NAME:=$OS_ID}" "${OS_FAMILY:=unknown}"
    export OS_ID OS_VERSION OS_NAME OS_FAMILY
    return 0
}
detect_package_manager() {
    : "${PKG_MANAGER:=}" "${PKG_INSTALL:=}" "${PKG_UPDATE:=}"
    export PKG_MANAGER PKG_INSTALL PKG_UPDATE
    [[ -n $PKG_MANAGER ]]
}
init_common() {
    detect_os
    detect_package_manager || log_warning "no package manager found"
    return 0
}
