#!/usr/bin/env bash
# A git clone, with a step after it
# Metadata: START
MODULE_NAME="prompt"
MODULE_DESCRIPTION="Shell prompt"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_DEPENDS="workshop dotfiles"
MODULE_INSTALL_METHOD="git_clone"
MODULE_INSTALL_REPO="file://$HOME/.local/share/workshop/prompt.git"
MODULE_INSTALL_DIRS="${XDG_DATA_HOME:-$HOME/.local/share}/prompt"
MODULE_UNINSTALL_DIRS="$MODULE_INSTALL_DIRS"
MODULE_UPDATE_METHOD="git_pull"
MODULE_UPDATE_DIR="$MODULE_INSTALL_DIRS"
MODULE_TEST_FILES="$MODULE_INSTALL_DIRS/prompt.sh $MODULE_INSTALL_DIRS/enabled"
# Metadata: END

SCRIPT_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$SCRIPT_DIR/lib/common.sh"
source "$SCRIPT_DIR/lib/module-handlers.sh"

main_module() {
    install_via_git_clone "$MODULE_NAME" || return 1
    date >"$MODULE_INSTALL_DIRS/enabled"
    log_info "Source $MODULE_INSTALL_DIRS/prompt.sh in ~/.bashrc to use the prompt"
}

