#!/usr/bin/env bash
# A system package
# Metadata: START
MODULE_NAME="bc"
MODULE_DESCRIPTION="A calculator"
MODULE_ENABLED_BY_DEFAULT="false"
MODULE_IS_CORE="false"
MODULE_INSTALL_METHOD="package_manager"
MODULE_UNINSTALL_DIRS=""
MODULE_UPDATE_METHOD="none"
MODULE_TEST_BINARIES="bc"
# Metadata: END

