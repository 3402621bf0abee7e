//! Fixtures of the end-to-end scenarios: a sandbox with a home of its own, the real binary, real
//! servers on loopback.
//!
//! A server ends when it is dropped, also by a panic; everything a sandbox makes stands below one
//! temporary directory.

mod application;
mod apt;
mod crates;
mod docker;
pub mod faults;
mod git;
mod hosts;
mod http;
mod mercurial;
mod npm;
mod prosody;
mod rocks;
mod sandbox;
mod ssh;
mod tls;
mod transcript;
mod wheels;

pub use application::Application;
pub use apt::AptRepository;
pub use crates::CrateRegistry;
pub use docker::Docker;
pub use git::GitFixture;
pub use hosts::Hosts;
pub use http::{Answer, Request, Server, Tunnel};
pub use mercurial::{Mercurial, MercurialServer, free_port};
pub use npm::NpmRegistry;
pub use prosody::Prosody;
pub use rocks::Rocks;
pub use sandbox::{Module, Ran, Sandbox, binary, ran, stripped_binary};
pub use ssh::SshServer;
pub use tls::{Authority, TlsServer};
pub use transcript::Transcript;
pub use wheels::wheel;

/// True when a program is on the path. When it is not, says so and, under `CI`, fails.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|directory| directory.join(program).is_file());
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "{program} is missing; `cargo xtask test` installs it"
        );
        note(&format!("skipped: {program} is missing"));
    }
    found
}

/// A line in the output of the tests.
#[expect(clippy::print_stderr, reason = "the named skip of a test")]
pub fn note(text: &str) {
    eprintln!("{text}");
}
