//! Reading files that somebody else wrote, with a limit: what is called a file may be a device that never ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Number of bytes that a text for people or for a parser has at most.
pub const TEXT_LIMIT: u64 = 16 * 1024 * 1024;

/// Reads a file, a pipe or a device of at most `limit` bytes.
///
/// # Errors
/// It cannot be read, or has more.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {} MiB", limit >> 20))),
        false => Ok(bytes),
    }
}

/// Reads a text of at most [`TEXT_LIMIT`] bytes.
///
/// # Errors
/// It cannot be read, has more, or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_limited(path, TEXT_LIMIT)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_not_read_to_its_end() {
        assert_eq!(read_limited(Path::new("/dev/zero"), 4 << 20).unwrap_err().to_string(), "it has more than 4 MiB");
        assert_eq!(read_text(Path::new("/dev/null")).unwrap(), "");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0xff]).unwrap();
        assert_eq!(read_text(file.path()).unwrap_err().to_string(), "it is not UTF-8");
    }
}
