# Installation and update methods, for modules of collections without a lib/module-handlers.sh of their own.
# Each install_via_… calls the method of hoist with the same name.

__hoist_step() { "$HOIST_BIN" __step "$@"; }

# install_via_git_clone [MODULE]: MODULE_INSTALL_REPO to the first of MODULE_INSTALL_DIRS, with MODULE_INSTALL_ARGS.
install_via_git_clone() { __hoist_step git "${1:-$MODULE_NAME}"; }

# install_via_package_manager [MODULE [PACKAGE...]]
install_via_package_manager() { __hoist_step package "${1:-$MODULE_NAME}" "${@:2}"; }

# install_via_download_script [MODULE [URL]]
install_via_download_script() { __hoist_step install_script "${1:-$MODULE_NAME}" "${@:2}"; }

# update_via_git_pull [MODULE]: a fast-forward of MODULE_UPDATE_DIR, or of the first of MODULE_INSTALL_DIRS.
update_via_git_pull() {
    local directory="${MODULE_UPDATE_DIR:-${MODULE_INSTALL_DIRS%% *}}"
    if [[ ! -d $directory/.git ]]; then
        log_error "$directory is not a git repository"
        return 1
    fi
    git -C "$directory" pull --ff-only --quiet || {
        log_error "$directory cannot be fast-forwarded"
        return 1
    }
}

# update_via_component_command [MODULE]: the component's own `NAME update`.
update_via_component_command() {
    local name="${1:-$MODULE_NAME}" directory="${MODULE_UPDATE_DIR:-${MODULE_INSTALL_DIRS%% *}}"
    if [[ -n $directory && -x $directory/bin/$name ]]; then
        "$directory/bin/$name" update
    elif command_exists "$name"; then
        "$name" update
    else
        log_error "$name has no update command: neither $directory/bin/$name nor $name on PATH"
        return 1
    fi
}

# update_via_reinstall [MODULE]: runs the installer of the module again, with FORCE_INSTALL set.
update_via_reinstall() {
    local FORCE_INSTALL=true
    export FORCE_INSTALL
    if declare -F main_module >/dev/null; then
        main_module
    else
        if [[ -z ${MODULE_INSTALL_METHOD-} ]] || ! declare -F "install_via_$MODULE_INSTALL_METHOD" >/dev/null; then
            log_error "cannot reinstall: the method is ${MODULE_INSTALL_METHOD:-not set} and main_module is not defined"
            return 1
        fi
        "install_via_$MODULE_INSTALL_METHOD" "$@"
    fi
}
