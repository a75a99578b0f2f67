//! Names for addresses: from the symbols of the files, their separate debug files, and the maps of just-in-time
//! compilers.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;

use kernfs::ProcFs;

use crate::image::{Image, Source};
use crate::names::{cut, demangle};
use crate::profile::Frame;
use crate::space::{Module, Space};

/// Where distributions put debug information.
const DEBUG_FOLDER: &str = "/usr/lib/debug/.build-id";
/// Longest map of a just-in-time compiler that is read. Unit: bytes.
const JIT_BYTES_MAX: u64 = 64 << 20;

/// Where no program has code: system calls stand there, by their numbers, as innermost frames of sleeping threads.
const CALLS: u64 = 0xffff_ff00_0000_0000;

/// The address that stands for a system call.
pub(crate) fn address_of_call(number: u32) -> u64 {
    CALLS | u64::from(number)
}

/// Where holders of locks stand, by how many wait for them: outermost frames.
const HOLDERS: u64 = 0xffff_fe00_0000_0000;
const HOLDERS_MAX: u64 = 1 << 32;

/// The address that stands for a holder of a lock.
pub(crate) fn address_of_holder(waiters: u64) -> u64 {
    HOLDERS | waiters
}

fn holder(address: u64) -> Option<Frame> {
    let waiters = address.checked_sub(HOLDERS).filter(|waiters| *waiters < HOLDERS_MAX)?;
    Some(Frame::holder(waiters))
}

fn call(address: u64) -> Option<Frame> {
    let number = u32::try_from(address.checked_sub(CALLS)?).ok()?;
    let name = match kernfs::arch::syscall_name(number) {
        Some(name) => format!("[kernel {name}]"),
        None => format!("[kernel call {number}]"),
    };
    Some(Frame { name, file: "[kernel]".to_owned(), is_named: true })
}

/// The frame of every address; they ascend.
pub(crate) fn name(proc: &mut ProcFs, pid: u32, space: &Space, addresses: &[u64]) -> BTreeMap<u64, Frame> {
    let made =
        |address: u64| call(address).or_else(|| holder(address)).or_else(|| space.interpreted_at(address));
    let frame = |address: u64| made(address).unwrap_or_else(|| unnamed(space.module(address), address));
    let mut frames: BTreeMap<u64, Frame> = addresses.iter().map(|one| (*one, frame(*one))).collect();
    for (index, image) in space.images.iter().enumerate() {
        // What the file calls each address in it.
        let mut stated = Vec::new();
        for address in addresses {
            if let Some(module) = space.module(*address).filter(|one| one.image == Some(index)) {
                stated.push((address.wrapping_sub(module.bias), *address));
            }
        }
        stated.sort_unstable();
        if stated.is_empty() {
            continue;
        }
        for ((_, address), function) in stated.iter().zip(functions(image, &stated)) {
            if let (Some(frame), Some(function)) = (frames.get_mut(address), function) {
                frame.name = demangle(&function);
                frame.is_named = true;
            }
        }
    }
    let is_generated = |address: &&u64| space.module(**address).is_some_and(|one| one.image.is_none());
    let generated = addresses.iter().filter(is_generated).copied().collect::<Vec<_>>();
    if !generated.is_empty() {
        by_jit_map(proc, pid, &generated, &mut frames);
    }
    frames
}

fn unnamed(module: Option<&Module>, address: u64) -> Frame {
    let (name, file) = match module {
        Some(one) => (format!("{}+{:#x}", one.name, address.wrapping_sub(one.bias)), one.name.clone()),
        None => ("[unknown]".to_owned(), String::new()),
    };
    Frame { name: cut(&name), file: cut(&file), is_named: false }
}

/// Names from the file itself; for what it leaves out, from its debug file.
fn functions(image: &Image, stated: &[(u64, u64)]) -> Vec<Option<String>> {
    let addresses = stated.iter().map(|(address, _)| *address).collect::<Vec<_>>();
    let mut names = image.functions(&addresses);
    if !image.has_all_symbols()
        && names.iter().any(Option::is_none)
        && let Some(debug) = debug_file(image)
    {
        let more = debug.functions(&addresses);
        names.iter_mut().zip(more).for_each(|(name, more)| *name = more.or(name.take()));
    }
    names
}

fn debug_file(image: &Image) -> Option<Image> {
    let id = image.build_id()?;
    let (folder, file) = id.split_at_checked(2)?;
    let file = File::open(format!("{DEBUG_FOLDER}/{folder}/{file}.debug")).ok()?;
    file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Image::read(Source::File(file))
}

/// Names from `/tmp/perf-PID.map`, which run-times write when asked to: a start, a size and a name a line. Only a file
/// of the process's own user is believed.
fn by_jit_map(proc: &mut ProcFs, pid: u32, addresses: &[u64], frames: &mut BTreeMap<u64, Frame>) {
    let Ok(owner) = std::fs::metadata(format!("/proc/{pid}")).map(|one| one.uid()) else { return };
    let inner = proc.status(pid).ok().and_then(|status| status.ns_pid).unwrap_or(pid);
    let path = format!("/proc/{pid}/root/tmp/perf-{inner}.map");
    let is_its = std::fs::symlink_metadata(&path).is_ok_and(|one| one.is_file() && one.uid() == owner);
    let Some(file) = is_its.then(|| File::open(path).ok()).flatten() else { return };
    let mut lines = BufReader::new(file.take(JIT_BYTES_MAX));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if let Some((start, end, name)) = jit_line(&line) {
            let first = addresses.partition_point(|address| *address < start);
            for address in addresses.iter().skip(first).take_while(|address| **address < end) {
                if let Some(frame) = frames.get_mut(address) {
                    frame.name = cut(&name);
                    frame.is_named = true;
                }
            }
        }
        line.clear();
    }
}

fn jit_line(line: &[u8]) -> Option<(u64, u64, String)> {
    let text = std::str::from_utf8(line).ok()?.trim_end();
    let (start, rest) = text.split_once(' ')?;
    let (bytes, name) = rest.split_once(' ')?;
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let start = number(start)?;
    Some((start, start.checked_add(number(bytes)?)?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::jit_line;

    #[test]
    fn lines_of_a_just_in_time_compiler_are_read() {
        assert_eq!(
            jit_line(b"7f00 10 LazyCompile:~x y\n"),
            Some((0x7f00, 0x7f10, "LazyCompile:~x y".to_owned()))
        );
        assert_eq!(jit_line(b"ffffffffffffffff 10 wraps\n"), None);
        assert_eq!(jit_line(b"nonsense\n"), None);
    }
}
