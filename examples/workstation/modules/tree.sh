#!/usr/bin/env bash
# A system package
# Metadata: START
MODULE_NAME="tree"
MODULE_DESCRIPTION="List directories as trees"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_INSTALL_METHOD="package_manager"
MODULE_UNINSTALL_DIRS=""
MODULE_UPDATE_METHOD="none"
MODULE_TEST_BINARIES="tree"
# Metadata: END

