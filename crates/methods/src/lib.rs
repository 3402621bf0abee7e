//! Ways of installing that any module system may use: one file for each.
//!
//! ```
//! use hoist_core::Step;
//! use hoist_methods::METHODS;
//! use serde_json::json;
//!
//! let step = Step::new("pip", json!({ "packages": ["six"], "target": "/home/me/.local" }));
//! let method = METHODS.iter().find(|method| method.name == step.method).unwrap();
//! assert_eq!((method.resources)(&step)[0].name, "six");
//! assert!(method.bind(&step).is_ok());
//! ```

pub mod archive;
pub mod cargo;
pub mod copy;
pub mod exists;
pub mod file_list;
pub mod git;
pub mod git_copy;
pub mod git_newer;
pub mod git_pull;
pub mod install_script;
pub mod npm;
pub mod package;
pub mod pip;
pub mod user_packages;

use hoist_system::method::MethodEntry;

/// The methods, in alphabetical order: one line for each.
pub const METHODS: &[MethodEntry] = &[
    cargo::METHOD,
    copy::METHOD,
    exists::METHOD,
    git::METHOD,
    git_pull::METHOD,
    install_script::METHOD,
    npm::METHOD,
    package::METHOD,
    pip::METHOD,
];
