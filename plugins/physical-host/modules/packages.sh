#!/usr/bin/env bash
# Metadata: START
MODULE_NAME="packages"
MODULE_DEPENDS="host"
MODULE_DESCRIPTION="the packages that the steps need"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_UNINSTALL_DIRS=""
# Metadata: END

source "$SCRIPT_DIR/lib/steps.sh"

check_module_installed() {
    local missing
    missing=$(missing_packages | xargs)
    [ -z "$missing" ] || { echo "not installed: $missing"; return 1; }
}
install_debian() { apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"; }
main_module() {
    local packages
    packages=$(missing_packages | xargs)
    # shellcheck disable=SC2086
    case $(say_family) in
        debian)
            # Completes an interrupted installation first, and waits for other package managers.
            dpkg --configure -a && install_debian $packages || { apt-get update -q && install_debian $packages; }
            ;;
        redhat) dnf install -y -q $packages ;;
        suse) zypper --non-interactive install --no-recommends $packages ;;
        arch) pacman -S --noconfirm --needed $packages ;;
    esac
}
