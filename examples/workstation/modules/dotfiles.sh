#!/usr/bin/env bash
# A git clone
# Metadata: START
MODULE_NAME="dotfiles"
MODULE_DESCRIPTION="Shell settings and a command"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_DEPENDS="workshop"
MODULE_INSTALL_METHOD="git_clone"
MODULE_INSTALL_REPO="$HOME/.local/share/workshop/dotfiles.git"
MODULE_INSTALL_DIRS="$HOME/.dotfiles"
MODULE_INSTALL_ARGS="--depth=1"
MODULE_UNINSTALL_DIRS="$HOME/.dotfiles"
MODULE_UPDATE_METHOD="git_pull"
MODULE_UPDATE_DIR="$HOME/.dotfiles"
MODULE_TEST_FILES="$HOME/.dotfiles/aliases.sh"
MODULE_TEST_BINARIES="dotfiles"
# Metadata: END

