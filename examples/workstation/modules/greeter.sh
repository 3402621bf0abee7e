#!/usr/bin/env bash
# An installer script with a checksum
# Metadata: START
MODULE_NAME="greeter"
MODULE_DESCRIPTION="Command that prints a greeting"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="false"
MODULE_DEPENDS="workshop"
MODULE_INSTALL_METHOD="download_script"
MODULE_INSTALL_REPO="file://$HOME/.local/share/workshop/install-greeter.sh"
MODULE_INSTALL_SHA256="e143e5df59f91c04a68254d57dc87ba57a3d8aab0b7b37653933bf00d3df8539"
MODULE_UNINSTALL_DIRS=""
MODULE_UNINSTALL_BINARIES="greeter"
MODULE_UPDATE_METHOD="reinstall"
MODULE_TEST_BINARIES="greeter"
MODULE_TEST_COMMAND="greeter | grep -q hello"
# Metadata: END

