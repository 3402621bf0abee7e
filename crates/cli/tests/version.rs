//! The program itself starts. Cargo builds it for this test, and so for all scenarios.

use std::process::Command;

#[test]
fn the_version_is_that_of_the_package() {
    let output = Command::new(env!("CARGO_BIN_EXE_hoist"))
        .arg("--version")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert_eq!(
        text.split_whitespace().nth(1),
        Some(env!("CARGO_PKG_VERSION")),
        "{text}"
    );
}
