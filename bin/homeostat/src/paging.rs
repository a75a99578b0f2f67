//! Keeps in memory what is used of the program, page by page: around each page that is touched the kernel maps fifteen
//! more, and of a program whose turns use a third of its text nearly all would stay.
//!
//! It leaves them out where a userfaultfd watches for writes, of which there are none to read-only mappings.
//! Source: userfaultfd(2), `should_fault_around` in the kernel's mm/memory.c.
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::mm::{UserfaultfdFlags, userfaultfd};
use vocab::capability::Capability;

use crate::trim;

const API: u64 = 0xaa;
/// Faults of the kernel on our behalf are none of our business: so an ordinary user may have it, too.
const USER_MODE_ONLY: u32 = 1;
/// The kernel resolves by itself what is watched for, Linux 6.7.
const WRITES_BY_ITSELF: u64 = 1 << 15;
/// Watch for writes.
const WRITES: u64 = 1 << 1;
const ASK_API: Opcode = opcode::read_write::<AskApi>(0xaa, 0x3f);
const REGISTER: Opcode = opcode::read_write::<Register>(0xaa, 0);

/// `struct uffdio_api`.
#[repr(C)]
struct AskApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

/// Has the read-only files of this process mapped page by page from now on, and gives back what is mapped of them; a row
/// of what came of it.
pub fn take() -> Capability {
    let refusal = by_page().err().map(|error| error.to_string());
    let is_available = refusal.is_none();
    Capability {
        name: "paging".to_owned(),
        kind: "privilege".to_owned(),
        is_available,
        can_apply: None,
        can_undo: None,
        lost: (!is_available).then(|| "Homeostat takes some 5 MiB more memory".to_owned()),
        reason: refusal.map(|error| format!("userfaultfd: {error}")),
        remedy: (!is_available).then(|| "Linux 6.7 or newer with CONFIG_USERFAULTFD=y".to_owned()),
    }
}

fn by_page() -> Result<(), Errno> {
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::from_bits_retain(USER_MODE_ONLY);
    // SAFETY: nothing is asked of it but what follows, which changes no memory.
    let fd = unsafe { userfaultfd(flags) }?;
    let mut asked = AskApi { api: API, features: WRITES_BY_ITSELF, ioctls: 0 };
    // SAFETY: the structure is the one that this request reads and writes.
    unsafe { ioctl(&fd, Updater::<ASK_API, _>::new(&mut asked)) }?;
    let ranges = trim::read_only_files();
    for range in &ranges {
        register(&fd, *range)?;
    }
    trim::unmap(&ranges);
    // It holds as long as the descriptor is open: to the end of this process.
    std::mem::forget(fd);
    Ok(())
}

fn register(fd: &OwnedFd, (start, end): (usize, usize)) -> Result<(), Errno> {
    let mut range = Register { start: start as u64, len: (end - start) as u64, mode: WRITES, ioctls: 0 };
    // SAFETY: the structure is the one that this request reads and writes; a mapping that is registered keeps its
    // content and its protection.
    unsafe { ioctl(fd, Updater::<REGISTER, _>::new(&mut range)) }
}
