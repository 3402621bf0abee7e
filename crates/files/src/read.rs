//! Reading what others wrote: never more than there is room for, and never without an end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// Number of bytes that a text for people or for a parser has at most.
pub const TEXT_LIMIT: u64 = 16 * 1024 * 1024;

/// So long, in seconds, a pipe or a device may be silent.
const PATIENCE: i64 = 60;

/// Reads a file, a pipe or a device of at most `limit` bytes.
///
/// # Errors
/// It cannot be read, has more, or is a pipe or a device from which nothing comes for a minute.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would block until a process opens it for writing.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        wait(&file)?;
    }
    let mut bytes = Vec::new();
    while bytes.len() as u64 <= limit {
        match (&mut file)
            .take(limit + 1 - bytes.len() as u64)
            .read_to_end(&mut bytes)
        {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&file)?,
            Err(error) => return Err(error),
        }
    }
    match bytes.len() as u64 > limit {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB", limit >> 20),
        )),
        false => Ok(bytes),
    }
}

/// Waits until there is something to read.
fn wait(file: &File) -> io::Result<()> {
    let patience = Timespec {
        tv_sec: PATIENCE,
        tv_nsec: 0,
    };
    match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&patience))? {
        0 => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no data was received from it for 60 seconds",
        )),
        _ => Ok(()),
    }
}

/// Reads a text of at most [`TEXT_LIMIT`] bytes.
///
/// # Errors
/// It cannot be read, has more, or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_limited(path, TEXT_LIMIT)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_not_read_to_its_end() {
        assert_eq!(
            read_limited(Path::new("/dev/zero"), 4 << 20)
                .unwrap_err()
                .to_string(),
            "it is larger than 4 MiB"
        );
        assert_eq!(read_text(Path::new("/dev/null")).unwrap(), "");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0xff]).unwrap();
        assert_eq!(
            read_text(file.path()).unwrap_err().to_string(),
            "it is not UTF-8"
        );
    }

    #[test]
    fn a_pipe_is_read_as_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_text(&pipe));
            let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
            for _ in 0..3 {
                io::Write::write_all(&mut writer, b"a part\n").unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            drop(writer);
            assert_eq!(reader.join().unwrap().unwrap(), "a part\n".repeat(3));
        });
    }
}
