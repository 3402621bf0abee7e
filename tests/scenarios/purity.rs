//! Reading commands start no process, write nothing, and run nothing of what they read.

use hoist_tests::{Module, Sandbox, has};

#[test]
fn reading_starts_no_process_and_writes_nothing() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("good")
            .field("TEST_BINARIES", "bash")
            .main("touch \"$HOME/ran\""),
    );
    sandbox.write("modules/trap.sh", "#!/bin/bash\n# Metadata: START\nMODULE_NAME=\"$(touch $HOME/ran)\"\nMODULE_DESCRIPTION=`touch $HOME/ran`\n# Metadata: END\ntouch \"$HOME/ran\"\n");
    for prepared in [false, true] {
        if prepared {
            sandbox.hoist("install good").exits(0);
            let _ = std::fs::remove_file(sandbox.home().join("ran"));
        }
        let before = listing(&sandbox);
        for (arguments, code) in [
            ("list", 0),
            ("info good", 0),
            ("info trap", 2),
            ("validate", 2),
            ("plan install good", 0),
            ("install good --dry-run", 0),
            ("install --all --dry-run", 2),
            ("graph good", 0),
            ("history", 0),
            ("plan update", 0),
            ("plan uninstall --all", 0),
            ("config list", 0),
            ("search good", 0),
            ("doctor", 3),
            ("schema plan", 0),
            ("graph good --format svg", 0),
        ] {
            let (ran, calls) =
                sandbox.traced(arguments, "execve,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,connect");
            ran.exits(code);
            let started = calls.iter().filter(|call| call.contains("execve(")).count();
            assert_eq!(started, 1, "{arguments}: {calls:?}");
            let writes = [
                "O_WRONLY", "O_RDWR", "O_CREAT", "creat(", "mkdir", "rename", "unlink", "connect(",
            ];
            let wrote: Vec<&String> = calls
                .iter()
                .filter(|call| {
                    !call.contains("execve(")
                        && writes.iter().any(|word| call.contains(word))
                        && !call.contains("\"/dev/")
                })
                .collect();
            assert!(wrote.is_empty(), "{arguments}: {wrote:?}");
        }
        assert_eq!(listing(&sandbox), before);
        assert!(!sandbox.has("ran"));
    }
}

fn listing(sandbox: &Sandbox) -> Vec<String> {
    let output = std::process::Command::new("find")
        .arg(sandbox.home())
        .args(["-printf", "%p %s %T@\n"])
        .output()
        .unwrap();
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}
