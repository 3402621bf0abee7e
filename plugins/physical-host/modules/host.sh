#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="host"
MODULE_DEPENDS=""
MODULE_DESCRIPTION="the machine is what the configuration says of it"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

problems() {
    local family threads memory
    family=$(say_family)
    case $family in unknown*) echo "this machine has an unsupported OS family: $family; supported are debian, redhat, suse and arch" ;; esac
    if [ -n "${CONFIG_HOST_OS_FAMILY:-}" ] && [ "$family" != "$CONFIG_HOST_OS_FAMILY" ]; then
        echo "this machine has the OS family $family, but host.os.family is $CONFIG_HOST_OS_FAMILY"
    fi
    if [ -n "${CONFIG_HOST_OS_VERSION:-}" ]; then
        local version
        version=$(. /etc/os-release && echo "${VERSION_ID:-}")
        case $version in
            "$CONFIG_HOST_OS_VERSION" | "$CONFIG_HOST_OS_VERSION".*) ;;
            *) echo "this machine has OS version $version, but host.os.version is $CONFIG_HOST_OS_VERSION" ;;
        esac
    fi
    threads=$(nproc)
    memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
    [ "$threads" -ge "${CONFIG_HOST_RESOURCES_CPU_THREADS:-0}" ] || echo "this machine has $threads CPU threads, but host.resources.cpu_threads is $CONFIG_HOST_RESOURCES_CPU_THREADS"
    [ "$memory" -ge "${CONFIG_HOST_RESOURCES_RAM_MB:-0}" ] || echo "this machine has $memory MB of memory, but host.resources.ram_mb is $CONFIG_HOST_RESOURCES_RAM_MB"
    [ "$(id -u)" = 0 ] || echo "root is required: allow the user of the connection to use sudo"
}
check_module_installed() { [ -z "$(problems)" ]; }
main_module() {
    local found
    found=$(problems)
    [ -z "$found" ] && return
    sed 's/^/[ERROR] /' <<<"$found" >&2
    return 1
}
