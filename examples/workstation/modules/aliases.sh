#!/usr/bin/env bash
# Shell aliases, verified by a function
# Metadata: START
MODULE_NAME="aliases"
MODULE_DESCRIPTION="Aliases for tree, jq and the dotfiles"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_DEPENDS="dotfiles tree jq"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
MODULE_UNINSTALL_FILES="$HOME/.config/workstation/aliases.sh"
MODULE_UPDATE_METHOD="reinstall"
MODULE_TEST_FILES="$HOME/.config/workstation/aliases.sh"
# Metadata: END

SCRIPT_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$SCRIPT_DIR/lib/common.sh"

main_module() {
    mkdir -p "$HOME/.config/workstation"
    {
        echo "source \"$HOME/.dotfiles/aliases.sh\""
        command_exists tree && echo "alias lt=\"tree -C\""
        command_exists jq && echo "alias pretty=\"jq .\""
    } >"$HOME/.config/workstation/aliases.sh"
}

check_module_installed() {
    grep -q "alias lt" "$HOME/.config/workstation/aliases.sh" 2>/dev/null
}

