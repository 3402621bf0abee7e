#!/usr/bin/env bash
# Message of the day that uses other modules
# Metadata: START
MODULE_NAME="motd"
MODULE_DESCRIPTION="Message of the day"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_DEPENDS="greeter cowsay"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
MODULE_UNINSTALL_FILES="$HOME/.config/workstation/motd"
MODULE_UPDATE_METHOD="reinstall"
MODULE_TEST_FILES="$HOME/.config/workstation/motd"
MODULE_TEST_COMMAND="test -s $HOME/.config/workstation/motd && grep -q hello $HOME/.config/workstation/motd"
# Metadata: END

main_module() {
    mkdir -p "$HOME/.config/workstation"
    cowsay -t "$(greeter)" >"$HOME/.config/workstation/motd"
}

