#!/usr/bin/env bash
# Example module: installs a command that prints a greeting. Edit it or remove it.
# hoist reads the fields below without running this file.
# Metadata: START
MODULE_NAME="hello"
MODULE_DESCRIPTION="Example: a command that prints a greeting"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_DEPENDS=""
MODULE_INSTALL_METHOD="custom"
MODULE_INSTALL_DIRS="$HOME/.local/share/hello"
MODULE_UNINSTALL_DIRS="$HOME/.local/share/hello"
MODULE_UPDATE_METHOD="reinstall"
MODULE_TEST_FILES="$HOME/.local/share/hello/bin/hello"
MODULE_TEST_COMMAND="$HOME/.local/share/hello/bin/hello"
# Metadata: END

SCRIPT_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$SCRIPT_DIR/lib/common.sh"

# Installs the module. Return a status other than 0 on failure.
main_module() {
    mkdir -p "$HOME/.local/share/hello/bin" || return 1
    cat >"$HOME/.local/share/hello/bin/hello" <<'SCRIPT' || return 1
#!/bin/sh
echo "Hello from hoist"
SCRIPT
    chmod +x "$HOME/.local/share/hello/bin/hello" || return 1
    log_info "Run ~/.local/share/hello/bin/hello to see the greeting"
}
