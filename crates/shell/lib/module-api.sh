# bootstrap_module: sources the libraries, for modules that do not source them.

bootstrap_module() {
    local library
    SCRIPT_DIR="${HOIST_COLLECTION_DIR:-$(cd "$(dirname "${BASH_SOURCE[1]}")/.." && pwd)}"
    export SCRIPT_DIR
    for library in common.sh module-handlers.sh; do
        if [[ -f $SCRIPT_DIR/lib/$library ]]; then
            source "$SCRIPT_DIR/lib/$library"
        else
            __hoist_library "$library"
        fi
    done
    if declare -F init_common >/dev/null; then
        init_common
    fi
    return 0
}
