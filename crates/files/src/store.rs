//! Contents of files, kept by their digests, so that what something writes over or removes can be
//! put back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::listing::at;
use crate::private::private_directory;
use crate::record::hexadecimal;
use crate::write::sync_directory;

/// Smaller contents stand one behind another in a file; a larger one is a file of its own, so that
/// it need not fit into memory.
pub(crate) const PACKED: u64 = 1024 * 1024;
/// Before each content in a pack: its length, and its digest.
const HEAD: usize = 8 + 32;
/// Packs are written anew once so much of them is no longer needed, in bytes.
const WASTE: u64 = 16 * 1024 * 1024;

/// A directory of contents by their SHA-256 digests, in lower-case hexadecimal. Each is kept once,
/// however often it is handed in.
///
/// One process at a time may write to it.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    packs: Vec<PathBuf>,
    index: HashMap<String, Place>,
    writer: Option<Writer>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    pack: usize,
    offset: u64,
    length: u64,
}

#[derive(Debug)]
struct Writer {
    pack: usize,
    file: BufWriter<File>,
    end: u64,
}

/// So many packs are made one.
const MANY: usize = 32;

impl Inner {
    /// Nobody knows what of a pack reached the disk when writing failed: what is whole there
    /// counts, and the next content goes to another.
    fn abandon(&mut self, pack: usize) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.file.into_parts();
        }
        let whole: BTreeSet<String> = scan(&self.packs[pack])
            .unwrap_or_default()
            .into_iter()
            .map(|(digest, ..)| digest)
            .collect();
        self.index
            .retain(|digest, place| place.pack != pack || whole.contains(digest));
    }
}

/// What of a pack is written beside it, so that it need not be read to be known.
type Index = Vec<(String, u64, u64)>;
/// With how long the pack is, so that it is not taken for that of another of its name.
type Stored = (u64, Index);

impl Store {
    /// Opens the store in a directory, which is made when the first content is kept.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let mut inner = Inner::default();
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries.map_err(|error| at(directory, error))?),
        };
        let paths = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let mut packs: Vec<PathBuf> = paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "pack")
            })
            .collect();
        packs.sort();
        for pack in packs {
            let number = inner.packs.len();
            let known = std::fs::read(pack.with_extension("index"))
                .ok()
                .and_then(|bytes| postcard::from_bytes::<Stored>(&bytes).ok());
            let length = pack.metadata().map_err(|error| at(&pack, error))?.len();
            let contents = match known {
                Some((known, contents)) if known == length => contents,
                // Whoever wrote it was killed.
                _ => scan(&pack).map_err(|error| at(&pack, error))?,
            };
            let places = contents.into_iter().map(|(digest, offset, length)| {
                (
                    digest,
                    Place {
                        pack: number,
                        offset,
                        length,
                    },
                )
            });
            inner.index.extend(places);
            inner.packs.push(pack);
        }
        Ok(Self {
            directory: directory.to_owned(),
            inner: Mutex::new(inner),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn large(&self, digest: &str) -> PathBuf {
        self.directory.join("large").join(digest)
    }

    /// True when the content of this digest is kept.
    pub fn has(&self, digest: &str) -> bool {
        raw(digest).is_some()
            && (self.inner().index.contains_key(digest) || self.large(digest).exists())
    }

    /// Keeps a content, and returns its digest.
    pub fn add(&self, contents: &[u8]) -> io::Result<String> {
        let digest = hexadecimal(&Sha256::digest(contents));
        self.keep(&digest, contents).map(|()| digest)
    }

    /// Keeps a content under its digest.
    pub(crate) fn keep(&self, digest: &str, contents: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        if inner.index.contains_key(digest) {
            return Ok(());
        }
        let writer = match inner.writer.take() {
            Some(writer) => inner.writer.insert(writer),
            None => {
                private_directory(&self.directory)?;
                let path = (0..)
                    .map(|number| self.directory.join(format!("{number:06}.pack")))
                    .find(|path| !path.exists());
                let path = path.unwrap_or_else(|| self.directory.join("pack"));
                let file = private(&path).map_err(|error| at(&path, error))?;
                let pack = inner.packs.len();
                inner.packs.push(path);
                inner.writer.insert(Writer {
                    pack,
                    file: BufWriter::with_capacity(256 * 1024, file),
                    end: 0,
                })
            }
        };
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&(contents.len() as u64).to_le_bytes());
        head[8..].copy_from_slice(&raw(digest).ok_or_else(|| io::Error::other("not a digest"))?);
        let written = writer
            .file
            .write_all(&head)
            .and_then(|()| writer.file.write_all(contents));
        let place = Place {
            pack: writer.pack,
            offset: writer.end + HEAD as u64,
            length: contents.len() as u64,
        };
        writer.end += (HEAD + contents.len()) as u64;
        let pack = writer.pack;
        if let Err(error) = written {
            let error = at(&inner.packs[pack], error);
            inner.abandon(pack);
            return Err(error);
        }
        inner.index.insert(digest.to_owned(), place);
        Ok(())
    }

    /// Keeps what a large file holds, and returns its digest with how long it was.
    pub(crate) fn keep_file(&self, mut source: impl Read) -> io::Result<(String, u64)> {
        let directory = self.directory.join("large");
        private_directory(&directory)?;
        let mut copy =
            tempfile::NamedTempFile::new_in(&directory).map_err(|error| at(&directory, error))?;
        let (mut hasher, mut buffer, mut length) = (Sha256::new(), vec![0; 256 * 1024], 0);
        loop {
            let count = match source.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            copy.write_all(&buffer[..count])
                .map_err(|error| at(&directory, error))?;
            length += count as u64;
        }
        let digest = hexadecimal(&hasher.finalize());
        let place = self.large(&digest);
        if !place.exists() {
            copy.as_file()
                .sync_data()
                .map_err(|error| at(&place, error))?;
            copy.persist(&place)
                .map_err(|error| at(&place, error.error))?;
            sync_directory(&directory)?;
        }
        Ok((digest, length))
    }

    /// The content of this digest, where it is kept whole.
    pub fn get(&self, digest: &str) -> io::Result<Option<Box<dyn Read>>> {
        let mut inner = self.inner();
        let Some(Place {
            pack,
            offset,
            length,
        }) = inner.index.get(digest).copied()
        else {
            if raw(digest).is_none() {
                return Ok(None);
            }
            let path = self.large(digest);
            return match File::open(&path).and_then(|file| Ok((crate::digest(&file)?, file))) {
                Ok((found, mut file)) if found == digest => file
                    .rewind()
                    .map(|()| Some(Box::new(file) as Box<dyn Read>)),
                Ok(_) => Err(at(&path, io::Error::other("its content is damaged"))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(at(&path, error)),
            };
        };
        if let Some(writer) = inner.writer.as_mut().filter(|writer| writer.pack == pack) {
            writer.file.flush()?;
        }
        let path = &inner.packs[pack];
        let mut contents = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        File::open(path)
            .and_then(|file| file.read_exact_at(&mut contents, offset))
            .map_err(|error| at(path, error))?;
        match hexadecimal(&Sha256::digest(&contents)) == digest {
            true => Ok(Some(Box::new(io::Cursor::new(contents)))),
            false => Err(at(path, io::Error::other("its content is damaged"))),
        }
    }

    /// The content of this digest as bytes; an error where it is not kept.
    pub fn bytes(&self, digest: &str) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        let kept = self
            .get(digest)?
            .ok_or_else(|| io::Error::other(format!("no content with the digest {digest}")))?;
        { kept }.read_to_end(&mut contents)?;
        Ok(contents)
    }

    /// Hands everything to the kernel, so that it is there also when this process is killed now.
    pub fn flush(&self) -> io::Result<()> {
        match &mut self.inner().writer {
            Some(writer) => writer.file.flush(),
            None => Ok(()),
        }
    }

    /// Hands everything to the disk, so that it is there also after a power failure.
    pub fn sync(&self) -> io::Result<()> {
        let mut inner = self.inner();
        let Some(writer) = &mut inner.writer else {
            return Ok(());
        };
        writer.file.flush()?;
        writer.file.get_ref().sync_data()?;
        sync_directory(&self.directory)
    }

    /// Lets go of everything whose digest is not one of these.
    pub fn retain(&self, wanted: &BTreeSet<&str>) -> io::Result<()> {
        self.finish()?;
        let mut inner = self.inner();
        for entry in std::fs::read_dir(self.directory.join("large"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry
                .file_name()
                .to_str()
                .is_none_or(|name| !wanted.contains(name))
            {
                std::fs::remove_file(entry.path())?;
            }
        }
        let (mut live, mut dead): (u64, u64) = (0, 0);
        for (digest, place) in &inner.index {
            let counted = if wanted.contains(digest.as_str()) {
                &mut live
            } else {
                &mut dead
            };
            *counted += place.length;
        }
        if live > 0 && dead < live.max(WASTE) && inner.packs.len() < MANY {
            return Ok(());
        }
        // Anew, with what is wanted; the old packs go once that is whole.
        let old = std::mem::take(&mut *inner);
        drop(inner);
        let mut by_pack: BTreeMap<usize, Vec<(&String, &Place)>> = BTreeMap::new();
        for (digest, place) in old
            .index
            .iter()
            .filter(|(digest, _)| wanted.contains(digest.as_str()))
        {
            by_pack.entry(place.pack).or_default().push((digest, place));
        }
        for (pack, mut places) in by_pack {
            places.sort_by_key(|(_, place)| place.offset);
            let file = File::open(&old.packs[pack]).map_err(|error| at(&old.packs[pack], error))?;
            for (digest, place) in places {
                let mut contents =
                    vec![0; usize::try_from(place.length).map_err(io::Error::other)?];
                file.read_exact_at(&mut contents, place.offset)
                    .map_err(|error| at(&old.packs[pack], error))?;
                self.keep(digest, &contents)?;
            }
        }
        self.finish()?;
        for pack in old.packs {
            let _ = std::fs::remove_file(pack.with_extension("index"));
            std::fs::remove_file(&pack).map_err(|error| at(&pack, error))?;
        }
        Ok(())
    }

    /// Ends the pack that is being written.
    pub fn finish(&self) -> io::Result<()> {
        let mut inner = self.inner();
        let Some(mut writer) = inner.writer.take() else {
            return Ok(());
        };
        writer.file.flush()?;
        let contents = inner
            .index
            .iter()
            .filter(|(_, place)| place.pack == writer.pack);
        let index: Index = contents
            .map(|(digest, place)| (digest.clone(), place.offset, place.length))
            .collect();
        let path = inner.packs[writer.pack].with_extension("index");
        let bytes = postcard::to_stdvec(&(writer.end, index)).map_err(io::Error::other)?;
        crate::write(&path, &bytes, 0o600)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Without its index a pack is read as a whole the next time.
        let _ = self.finish();
    }
}

/// A new file that only its owner may read.
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn raw(digest: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digest.len() != 64 || !digest.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digest[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Reads what a pack holds, as far as it is whole.
fn scan(pack: &Path) -> io::Result<Index> {
    let mut file = File::open(pack)?;
    let (end, mut offset, mut index) = (file.metadata()?.len(), 0, Index::new());
    let mut head = [0; HEAD];
    while offset + HEAD as u64 <= end {
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut head)?;
        let (length, digest) = head.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
        offset += HEAD as u64;
        if length > end - offset {
            break;
        }
        index.push((hexadecimal(digest), offset, length));
        offset += length;
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(store: &Store, contents: &[u8]) -> String {
        let digest = hexadecimal(&Sha256::digest(contents));
        store.keep(&digest, contents).unwrap();
        digest
    }

    #[test]
    fn contents_are_kept_once_and_found_by_whoever_comes_next_also_after_a_kill() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("contents");
        let store = Store::open(&directory).unwrap();
        let (one, two) = (kept(&store, b"one"), kept(&store, b"two"));
        assert_eq!(kept(&store, b"one"), one);
        assert_eq!(store.bytes(&two).unwrap(), b"two");
        let (large, length) = store.keep_file(io::repeat(7).take(PACKED * 2)).unwrap();
        assert_eq!(length, PACKED * 2);
        store.flush().unwrap();
        // Killed: no index is written, and half a content stands at the end.
        std::mem::forget(store);
        let pack = directory.join("000000.pack");
        File::options()
            .append(true)
            .open(&pack)
            .unwrap()
            .write_all(&[9; HEAD + 3])
            .unwrap();
        let store = Store::open(&directory).unwrap();
        assert_eq!(
            (store.bytes(&one).unwrap(), store.bytes(&two).unwrap()),
            (b"one".to_vec(), b"two".to_vec())
        );
        assert_eq!(store.bytes(&large).unwrap().len() as u64, length);
        let three = kept(&store, b"three");
        drop(store);
        let store = Store::open(&directory).unwrap();
        assert_eq!(store.bytes(&three).unwrap(), b"three");
        assert!(store.bytes(&hexadecimal(&[0; 32])).is_err());
    }

    #[test]
    fn what_is_not_wanted_any_more_goes_and_the_rest_stays() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let wanted = kept(&store, b"wanted");
        let large = vec![1; 900_000];
        let unwanted: Vec<String> = (0..20u8)
            .map(|number| kept(&store, &[large.as_slice(), &[number]].concat()))
            .collect();
        let size = || {
            std::fs::read_dir(home.path())
                .unwrap()
                .flatten()
                .map(|entry| entry.metadata().unwrap().len())
                .sum::<u64>()
        };
        assert!(size() > WASTE);
        store.retain(&BTreeSet::from([wanted.as_str()])).unwrap();
        assert!(size() < 10_000, "{}", size());
        assert_eq!(store.bytes(&wanted).unwrap(), b"wanted");
        assert!(!store.has(&unwanted[0]));
        drop(store);
        assert_eq!(
            Store::open(home.path()).unwrap().bytes(&wanted).unwrap(),
            b"wanted"
        );
    }

    #[test]
    fn a_damaged_content_is_not_taken_for_the_one_that_was_kept() {
        let home = tempfile::tempdir().unwrap();
        let digest = {
            let store = Store::open(home.path()).unwrap();
            kept(&store, b"sound")
        };
        let pack = home.path().join("000000.pack");
        let mut bytes = std::fs::read(&pack).unwrap();
        *bytes.last_mut().unwrap() = b'X';
        std::fs::write(&pack, bytes).unwrap();
        assert!(
            Store::open(home.path())
                .unwrap()
                .bytes(&digest)
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
    }
}
