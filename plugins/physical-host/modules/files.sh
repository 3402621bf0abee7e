#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="files"
MODULE_DEPENDS="directories"
MODULE_DESCRIPTION="the files of the application"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

FROM=$SCRIPT_DIR/app
TO=$CONFIG_APP_INSTALL_DIR/app
digests() { (cd "$1" 2>/dev/null && find . -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0r sha256sum); }
check_module_installed() { [ -d "$TO" ] && [ "$(digests "$FROM")" = "$(digests "$TO")" ]; }
main_module() {
    local new=$TO.new
    rm -rf "$new" && cp -r "$FROM" "$new" && chown -R "$CONFIG_APP_USER:$CONFIG_APP_GROUP" "$new" && chmod -R u=rwX,g=rX,o= "$new" || return
    rm -rf "$TO" && mv "$new" "$TO" && pend app
}
uninstall_module() { rm -rf "$TO"; }
