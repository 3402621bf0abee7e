#!/usr/bin/env bash
# A package of the system
# Metadata: START
MODULE_NAME="jq"
MODULE_DESCRIPTION="JSON from the command line"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_INSTALL_METHOD="package_manager"
MODULE_UNINSTALL_DIRS=""
MODULE_UPDATE_METHOD="none"
MODULE_TEST_BINARIES="jq"
# Metadata: END

