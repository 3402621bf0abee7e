#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="m"
MODULE_DESCRIPTION="d"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS="$HOME/.{a,b}"

# Metadata: END

main_module() { :; }
