#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="m"
MODULE_DESCRIPTION="Framework for shell customization"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_DEPENDS=""
MODULE_INSTALL_METHOD="git_clone"
MODULE_INSTALL_DIRS="$HOME/.m"
MODULE_INSTALL_REPO="https://example.test/m.git"
MODULE_INSTALL_ARGS="--depth=1"
MODULE_UPDATE_METHOD="component_command"
MODULE_UPDATE_DIR="$HOME/.m"
MODULE_UNINSTALL_DIRS="$HOME/.m"
MODULE_CONFIG_FILES=""
MODULE_TEST_DIRS="$HOME/.m"
MODULE_TEST_FILES="$HOME/.m/m.sh"
# Metadata: END
main_module() { :; }
