//! The table of methods: one line for each.

use crate::builtin::{
    bash, component_command, copy, enable, exists, git, git_pull, hook, install_script, installer,
    load, luarocks, package, pip,
};
use crate::method::MethodEntry;

/// All methods, in alphabetical order.
pub const METHODS: &[MethodEntry] = &[
    bash::METHOD,
    component_command::METHOD,
    copy::METHOD,
    enable::METHOD,
    exists::METHOD,
    git::METHOD,
    git_pull::METHOD,
    hook::METHOD,
    install_script::METHOD,
    installer::METHOD,
    load::METHOD,
    luarocks::METHOD,
    package::METHOD,
    pip::METHOD,
];
