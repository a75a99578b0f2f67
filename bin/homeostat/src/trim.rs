//! Gives back the memory that starting took: free pages of the heap, and program text that runs once and never again.
use std::ffi::c_void;

/// Larger pieces of memory are mapped each by itself, so that they go back whole and leave no hole. Unit: bytes.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: libc::c_int = 64 << 10;

/// Lets all threads share one heap: each would keep one of its own, and none of them allocates much at one time. And
/// keeps little of it in reserve: a daemon that runs for weeks costs what it holds, not the most it ever held.
pub fn one_heap() {
    // SAFETY: plain integers; glibc refuses what it does not know.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
        libc::mallopt(libc::M_TRIM_THRESHOLD, MAPPED_FROM);
        libc::mallopt(libc::M_TOP_PAD, MAPPED_FROM);
    }
}

/// Gives both back. Answers the address ranges that [`unmap`] may take again: a process that maps no other files and
/// changes no protection later on may keep them.
pub fn trim() -> Vec<(usize, usize)> {
    let ranges = read_only_files();
    unmap(&ranges);
    trim_heap();
    ranges
}

/// Address ranges of the read-only mapped files in which this process has no page of its own.
pub fn read_only_files() -> Vec<(usize, usize)> {
    untouched(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default())
}

/// Unmaps the pages of read-only mapped files; those that are needed again are taken from the page cache.
///
/// Only mappings without a private page are touched: relocated constants look read-only, too, and would be lost.
pub fn unmap(ranges: &[(usize, usize)]) {
    for (start, end) in ranges {
        // SAFETY: the range is a read-only mapping of a file in which this process has no page of its own, so
        // every page comes back from the file, unchanged, at its next use.
        unsafe { libc::madvise(*start as *mut c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// Gives back pages of the heap in which nothing stands.
pub fn trim_heap() {
    // SAFETY: gives free memory of the heap back to the kernel; what is in use is not touched.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Address ranges of read-only mappings of files in which no page is private to this process.
fn untouched(smaps: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut range = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(first), second) = (words.next(), words.next().unwrap_or_default()) else { continue };
        if first.ends_with(':') {
            if first == "Anonymous:" && second != "0" {
                range = None;
            }
            if first == "VmFlags:" {
                ranges.extend(range.take());
            }
            continue;
        }
        let is_file = line.contains(" /") && !line.contains("(deleted)");
        let is_read_only = matches!(second, "r-xp" | "r--p");
        range = (is_file && is_read_only).then(|| parse(first)).flatten();
    }
    ranges
}

fn parse(range: &str) -> Option<(usize, usize)> {
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(perms: &str, path: &str, anonymous: u32) -> String {
        format!(
            "1000-3000 {perms} 00000000 fe:00 7 {path}\nRss: 8 kB\nAnonymous: {anonymous} kB\nVmFlags: rd mr\n"
        )
    }

    #[test]
    fn only_clean_read_only_files_are_given_back() {
        assert_eq!(untouched(&mapping("r-xp", "/bin/x", 0)), [(0x1000, 0x3000)]);
        for kept in [
            mapping("rw-p", "/bin/x", 0),
            mapping("r--p", "/bin/x", 4),
            mapping("r--p", "", 0),
            mapping("r--p", "[vdso]", 0),
            mapping("r-xp", "/bin/x (deleted)", 0),
        ] {
            assert_eq!(untouched(&kept), [], "{kept}");
        }
    }

    #[test]
    fn this_program_goes_on_after_it() {
        trim();
        assert_eq!(format!("{:?}", parse("10-20")), "Some((16, 32))");
    }
}
