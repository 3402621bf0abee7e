#!/usr/bin/env bash
# A Python package
# Metadata: START
MODULE_NAME="chardet"
MODULE_DESCRIPTION="Detect the encoding of a file"
MODULE_ENABLED_BY_DEFAULT="false"
MODULE_IS_CORE="false"
MODULE_INSTALL_METHOD="pip"
MODULE_INSTALL_DIRS="$HOME/.local"
MODULE_UNINSTALL_DIRS=""
MODULE_UNINSTALL_PIP_PACKAGES="chardet"
MODULE_UPDATE_METHOD="pip_upgrade"
MODULE_TEST_BINARIES="chardetect"
# Metadata: END

