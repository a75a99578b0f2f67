//! The disk's process: one folder with one file, `disk`, spoken to through /dev/fuse.
//!
//! The eight requests that a loop device needs, as `linux/fuse.h` lays them out (protocol 7.31). A crate would bring
//! eleven more with it.
use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustix::mount::{MountFlags, mount};

use crate::disk::Content;

/// Bytes of a request before its body, of a request to write before its data, and of an answer before its body.
const HEAD: usize = 40;
const WRITE_HEAD: usize = 40;
const ANSWER: usize = 16;
/// Longest write of one request. Unit: bytes.
const WRITE_MAX: u32 = 128 << 10;
/// Number of the file; the folder is 1, the root.
const FILE: u64 = 2;
/// The file's open flag: nothing of it stays in the page cache.
const DIRECT_IO: u32 = 1;
const INIT_BIG_WRITES: u32 = 1 << 5;
/// No cut was ordered.
const NEVER: i64 = i64::MAX;

/// Serves the disk of a folder until it is unmounted; a line of a number on standard input orders the cut.
pub(crate) fn serve(folder: &Path, bytes: u64) -> io::Result<()> {
    let seed = std::env::var("POWERCUT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut image = fs::read(folder.join("image"))?;
    image.resize(usize::try_from(bytes).unwrap_or(0), 0);
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let options = std::ffi::CString::new(options)?;
    mount("powercut", folder.join("file"), "fuse", MountFlags::empty(), Some(options.as_c_str()))?;
    let left = Arc::new(AtomicI64::new(NEVER));
    let orders = left.clone();
    std::thread::spawn(move || {
        for number in io::stdin().lock().lines().map_while(Result::ok).filter_map(|line| line.parse().ok()) {
            orders.store(number, Ordering::SeqCst);
        }
    });
    let mut server = Server { device, content: Content::new(image), is_cut: false };
    let mut request = vec![0; WRITE_MAX as usize + 4096];
    loop {
        match server.device.read(&mut request) {
            Ok(length) => server.answer(&request[..length])?,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
                return Ok(());
            }
            // A request that was interrupted before it was read.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !server.is_cut && left.load(Ordering::SeqCst) != NEVER && left.fetch_sub(1, Ordering::SeqCst) <= 1
        {
            server.cut(folder, seed)?;
        }
    }
}

struct Server {
    device: File,
    content: Content,
    is_cut: bool,
}

impl Server {
    /// Leaves what is left for the next round. Nothing is answered meanwhile, so that no promise falls between.
    fn cut(&mut self, folder: &Path, seed: u64) -> io::Result<()> {
        self.is_cut = true;
        let left = self.content.cut(seed);
        fs::write(folder.join("image.new"), left)?;
        fs::rename(folder.join("image.new"), folder.join("image"))?;
        fs::write(folder.join("cut"), "")
    }

    fn answer(&mut self, request: &[u8]) -> io::Result<()> {
        let (operation, unique, node) = (u32_at(request, 4), u64_at(request, 8), u64_at(request, 16));
        let body = request.get(HEAD..).unwrap_or_default();
        match operation {
            // LOOKUP, GETATTR
            1 if body.strip_suffix(&[0]) == Some(b"disk") => {
                let mut out = words64(&[FILE, 0, 60, 60, 0]);
                out.extend(self.attributes(FILE));
                self.reply(unique, 0, &out)
            }
            1 => self.reply(unique, -2, &[]),
            3 => {
                let mut out = words64(&[60, 0]);
                out.extend(self.attributes(node));
                self.reply(unique, 0, &out)
            }
            // FORGET and BATCH_FORGET have no answer.
            2 | 42 => Ok(()),
            // OPEN
            14 => self.reply(unique, 0, &words64(&[0, u64::from(DIRECT_IO)])),
            // READ
            15 => {
                let bytes = self.content.read(u64_at(body, 8), u32_at(body, 16) as usize).to_vec();
                self.reply(unique, 0, &bytes)
            }
            // WRITE
            16 => match self.content.write(u64_at(body, 8), body.get(WRITE_HEAD..).unwrap_or_default()) {
                true => self.reply(unique, 0, &words64(&[u64::from(u32_at(body, 16))])),
                false => self.reply(unique, -28, &[]),
            },
            // FSYNC
            20 => {
                self.content.flush();
                self.reply(unique, 0, &[])
            }
            // RELEASE, FLUSH, DESTROY
            18 | 25 | 38 => self.reply(unique, 0, &[]),
            // INIT: version, read ahead, flags, requests in the background, longest write, steps of time.
            26 => {
                let mut out = Vec::new();
                for word in [7, 31, u32_at(body, 8), INIT_BIG_WRITES, 16 | 12 << 16, WRITE_MAX, 1] {
                    out.extend_from_slice(&word.to_le_bytes());
                }
                out.resize(64, 0);
                self.reply(unique, 0, &out)
            }
            _ => self.reply(unique, -38, &[]),
        }
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let (mode, size) = if node == FILE { (0o100_600, self.content.len()) } else { (0o040_700, 0) };
        let mut out = words64(&[node, size, size / 512, 0, 0, 0]);
        // Parts of seconds, mode, links, owner, group, device, block size, flags.
        for word in [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0] {
            out.extend_from_slice(&u32::to_le_bytes(word));
        }
        out
    }

    fn reply(&mut self, unique: u64, error: i32, body: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(ANSWER + body.len());
        out.extend_from_slice(&((ANSWER + body.len()) as u32).to_le_bytes());
        out.extend_from_slice(&error.to_le_bytes());
        out.extend_from_slice(&unique.to_le_bytes());
        out.extend_from_slice(body);
        match self.device.write_all(&out) {
            // Whoever asked is gone.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error()) => Ok(()),
            done => done,
        }
    }
}

fn words64(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
}
