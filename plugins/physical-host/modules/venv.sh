#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="venv"
MODULE_DEPENDS="files packages"
MODULE_DESCRIPTION="the Python environment of the application"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

VENV=$CONFIG_APP_INSTALL_DIR/venv
want() { sha256sum <"$SCRIPT_DIR/app/requirements.txt"; }
check_module_installed() { [ -x "$VENV/bin/python" ] && [ "$(cat "$VENV/.requirements" 2>/dev/null)" = "$(want)" ]; }
main_module() {
    local wheels=() requirements=$SCRIPT_DIR/app/requirements.txt
    # An incomplete environment is created again.
    if ! [ -e "$VENV/.requirements" ] && ! python3 -m venv --clear "$VENV"; then
        # python3 -m venv does not print why it failed; ensurepip does.
        "$VENV/bin/python3" -m ensurepip 2>&1 | grep -i -m 1 '^error'
        return 1
    fi
    [ -d "$SCRIPT_DIR/app/wheels" ] && wheels=(--no-index --find-links "$SCRIPT_DIR/app/wheels")
    if grep -qv '^ *\(#\|$\)' "$requirements"; then
        "$VENV/bin/pip" install --disable-pip-version-check -q "${wheels[@]}" -r "$requirements" || return
    fi
    want >"$VENV/.requirements" && chown -R "$CONFIG_APP_USER:$CONFIG_APP_GROUP" "$VENV" && pend app
}
uninstall_module() { rm -rf "$VENV"; }
