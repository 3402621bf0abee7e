#!/usr/bin/env bash
# Creates what the other modules fetch: two repositories and an installer script
# Metadata: START
MODULE_NAME="workshop"
MODULE_DESCRIPTION="Local repositories and scripts that other modules install from"
MODULE_ENABLED_BY_DEFAULT="true"
MODULE_IS_CORE="true"
MODULE_INSTALL_METHOD="custom"
MODULE_INSTALL_DIRS="$HOME/.local/share/workshop"
MODULE_UNINSTALL_DIRS="$MODULE_INSTALL_DIRS"
MODULE_UPDATE_METHOD="none"
MODULE_TEST_DIRS="$MODULE_INSTALL_DIRS/dotfiles.git $MODULE_INSTALL_DIRS/prompt.git"
MODULE_TEST_FILES="$MODULE_INSTALL_DIRS/install-greeter.sh"
# Metadata: END

SCRIPT_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$SCRIPT_DIR/lib/common.sh"

# make_repository NAME: a bare repository with the files of the current directory as its only commit.
make_repository() {
    local target="$MODULE_INSTALL_DIRS/$1.git"
    rm -rf "$target"
    git init -q -b main work && cp -r files/. work/ && git -C work add -A &&
        git -C work -c user.name=workshop -c user.email=workshop@example.test commit -q -m "$1" &&
        git clone -q --bare work "$target" && rm -rf work files
}

main_module() {
    check_prerequisites git || return 1
    mkdir -p "$MODULE_INSTALL_DIRS"
    cd "$TMPDIR" || return 1

    mkdir -p files/bin
    printf "alias ll=%q\n" "ls -l" >files/aliases.sh
    printf "#!/usr/bin/env bash\necho dotfiles 1.0\n" >files/bin/dotfiles
    chmod +x files/bin/dotfiles
    make_repository dotfiles || return 1

    mkdir -p files
    printf "PS1=%q\n" "\\u@\\h \\w \\$ " >files/prompt.sh
    make_repository prompt || return 1

    cat >"$MODULE_INSTALL_DIRS/install-greeter.sh" <<"EOF"
#!/usr/bin/env bash
# Installs a command that greets.
set -euo pipefail
mkdir -p "$HOME/.local/bin"
printf "#!/usr/bin/env bash\necho hello from hoist\n" >"$HOME/.local/bin/greeter"
chmod +x "$HOME/.local/bin/greeter"
EOF
    log_success "Created two repositories and a script in $MODULE_INSTALL_DIRS"
}

