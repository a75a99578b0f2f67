//! A real folder. Chooses the fastest durable write that the file system offers by trying.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::{Medium, MediumFile, PAGE, PageBuf};
use crate::error::{Result, StoreError};

/// Durable writes tried for each way at opening; the median decides. Nine keep opening under 5 ms on a disk.
const PROBES: usize = 9;

/// How a write is made durable. Chosen by measurement in [`FileMedium::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurableWay {
    /// `O_DIRECT | O_DSYNC`: past the page cache, one request to the device.
    Direct,
    /// `O_DSYNC`: through the page cache; where the file system refuses O_DIRECT or is slower with it.
    Buffered,
    /// Not writable: a read-only disk.
    None,
}

/// A folder of the file system.
pub struct FileMedium {
    folder: PathBuf,
    way: DurableWay,
}

struct RealFile {
    name: String,
    file: File,
    /// The same file opened for durable writes.
    durable: Option<File>,
}

impl FileMedium {
    /// Opens the folder, creating it where missing (mode 0700), and measures the ways of writing durably.
    ///
    /// Errors: the folder cannot be made or read. A folder that cannot be written opens with [`DurableWay::None`].
    pub fn open(folder: &Path) -> Result<Self> {
        let name = folder.display().to_string();
        if !folder.is_dir() {
            let mut builder = fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder
                .recursive(true)
                .create(folder)
                .map_err(|e| StoreError::from_io("create the folder", &name, e))?;
        }
        let direct = measure(folder, OFlags::DIRECT | OFlags::DSYNC);
        let buffered = measure(folder, OFlags::DSYNC);
        let way = match (direct, buffered) {
            (Ok(direct), Ok(buffered)) if buffered < direct => DurableWay::Buffered,
            (Ok(_), _) => DurableWay::Direct,
            (Err(_), Ok(_)) => DurableWay::Buffered,
            // A full disk has no room to try anything; what is there can be written, and there may be room later.
            (_, Err(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) => DurableWay::Buffered,
            (Err(_), Err(_)) => DurableWay::None,
        };
        Ok(Self { folder: folder.to_owned(), way })
    }

    /// A folder that is only read: nothing is made or tried in it.
    pub fn open_to_read(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), way: DurableWay::None }
    }

    /// The same folder with a given way instead of the measured one.
    pub fn with_way(mut self, way: DurableWay) -> Self {
        self.way = way;
        self
    }

    /// The way in use.
    pub fn way(&self) -> DurableWay {
        self.way
    }

    fn flags(&self) -> Option<OFlags> {
        match self.way {
            DurableWay::Direct => Some(OFlags::DIRECT | OFlags::DSYNC),
            DurableWay::Buffered => Some(OFlags::DSYNC),
            DurableWay::None => None,
        }
    }

    fn wrap(&self, name: &str, file: File) -> Result<Box<dyn MediumFile>> {
        let durable = match self.flags() {
            Some(flags) => Some(
                open_durable(&self.folder.join(name), flags)
                    .map_err(|e| StoreError::from_io("open", name, e))?,
            ),
            None => None,
        };
        Ok(Box::new(RealFile { name: name.to_owned(), file, durable }))
    }
}

/// Median time of a durable write of one page over zeros, or why the file system refuses.
fn measure(folder: &Path, flags: OFlags) -> std::result::Result<Duration, io::ErrorKind> {
    let path = folder.join(format!("probe-{}.tmp", std::process::id()));
    let times = probe(&path, flags).map_err(|error| error.kind());
    let _ = fs::remove_file(&path);
    let mut times = times?;
    times.sort();
    times.get(times.len() / 2).copied().ok_or(io::ErrorKind::Other)
}

fn probe(path: &Path, flags: OFlags) -> io::Result<Vec<Duration>> {
    let plain = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    plain.write_all_at(&vec![0; PROBES * PAGE], 0)?;
    plain.sync_all()?;
    let file = open_durable(path, flags)?;
    let mut page = PageBuf::default();
    page.push(&[1]);
    (0..PROBES)
        .map(|i| {
            let start = Instant::now();
            file.write_all_at(page.padded(), (i * PAGE) as u64)?;
            Ok(start.elapsed())
        })
        .collect()
}

fn open_durable(path: &Path, flags: OFlags) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(flags.bits() as i32).open(path)
}

impl Medium for FileMedium {
    fn list(&self) -> Result<Vec<String>> {
        let fail = |e| StoreError::from_io("list", &self.folder.display().to_string(), e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(fail)? {
            names.extend(entry.map_err(fail)?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file =
            options.open(self.folder.join(name)).map_err(|e| StoreError::from_io("create", name, e))?;
        self.wrap(name, file)
    }

    fn open_to_read(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let fail = |e| StoreError::from_io("open", name, e);
        let file = File::open(self.folder.join(name)).map_err(fail)?;
        Ok(Box::new(RealFile { name: name.to_owned(), file, durable: None }))
    }

    fn open(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let fail = |e| StoreError::from_io("open", name, e);
        let path = self.folder.join(name);
        if self.way == DurableWay::None {
            return self.open_to_read(name);
        }
        self.wrap(name, OpenOptions::new().read(true).write(true).open(path).map_err(fail)?)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
            .map_err(|e| StoreError::from_io("rename", from, e))
    }

    fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.folder.join(name)).map_err(|e| StoreError::from_io("remove", name, e))
    }

    fn sync_folder(&self) -> Result<()> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| StoreError::from_io("sync", &self.folder.display().to_string(), e))
    }
}

impl RealFile {
    fn fail(&self, doing: &'static str) -> impl Fn(io::Error) -> StoreError + '_ {
        move |e| StoreError::from_io(doing, &self.name, e)
    }
}

impl MediumFile for RealFile {
    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(self.fail("read"))?.len())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        let mut got = 0;
        while got < buffer.len() {
            match self.file.read_at(&mut buffer[got..], at + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.fail("read")(e)),
            }
        }
        Ok(got)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.file.write_all_at(bytes, at).map_err(self.fail("write"))
    }

    fn write_durable(&self, pages: &PageBuf, at: u64) -> Result<()> {
        match &self.durable {
            Some(file) => file.write_all_at(pages.padded(), at).map_err(self.fail("write")),
            None => Err(StoreError::ReadOnly { name: self.name.clone() }),
        }
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(self.fail("sync"))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(self.fail("cut"))
    }
}
