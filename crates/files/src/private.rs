//! Files and directories that only their owner may look into, whatever the umask says.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::listing::at;

/// Permissions that others have.
const OTHERS: u32 = 0o077;

/// Makes a directory with those above it, and takes it from all others where it belongs to who
/// asks.
pub fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| at(path, error))?;
    make_private(path)
}

/// Takes a file or a directory from all others, where it belongs to who asks.
pub fn make_private(path: &Path) -> io::Result<()> {
    let metadata = path.symlink_metadata().map_err(|error| at(path, error))?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw() && !metadata.is_symlink();
    if is_own && metadata.mode() & OTHERS != 0 {
        std::fs::set_permissions(
            path,
            Permissions::from_mode(metadata.mode() & 0o7777 & !OTHERS),
        )
        .map_err(|error| at(path, error))?;
    }
    Ok(())
}

/// Makes a file, or empties the one that is there.
pub fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| at(path, error))?;
    make_private(path)?;
    Ok(file)
}
