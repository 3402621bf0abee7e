#!/usr/bin/env bash
# A Python package
# Metadata: START
MODULE_NAME="tabulate"
MODULE_DESCRIPTION="Command-line tables"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_INSTALL_METHOD="pip"
MODULE_INSTALL_DIRS="$HOME/.local"
MODULE_UNINSTALL_DIRS=""
MODULE_UNINSTALL_PIP_PACKAGES="tabulate"
MODULE_UPDATE_METHOD="pip_upgrade"
MODULE_TEST_BINARIES="tabulate"
# Metadata: END

