#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="m"
MODULE_DESCRIPTION=""
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="yes"
MODULE_INSTALL_METHOD="custom"
MODULE_DEPEND="a"
MODULE_INSTALL_ARGS="$(x)"
MODULE_TIMEOUT=never
# Metadata: END

main_module() { :; }
