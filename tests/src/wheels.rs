//! Python packages.

use std::process::Command;

/// A wheel with one module that needs others, made with Python's own zipfile.
pub fn wheel(name: &str, version: &str, requires: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.whl");
    let module = name.replace('-', "_");
    let info = format!("{module}-{version}.dist-info");
    let requires: String = requires
        .iter()
        .map(|name| format!("Requires-Dist: {name}\\n"))
        .collect();
    let program = format!(
        "import zipfile, sys\nz = zipfile.ZipFile(sys.argv[1], 'w')\nz.writestr('{module}.py', 'x = 1\\n')\nz.writestr('{info}/METADATA', 'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{requires}')\nz.writestr('{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\nz.writestr('{info}/RECORD', '{module}.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n')\nz.close()\n"
    );
    assert!(
        Command::new("python3")
            .args(["-c", &program])
            .arg(&file)
            .status()
            .unwrap()
            .success()
    );
    std::fs::read(file).unwrap()
}
