//! What the kernel says of a descriptor of ours: /proc/self/fdinfo, proc(5).
use std::fs;
use std::os::fd::RawFd;

/// Memory of a map or program by its descriptor; 0 where the kernel does not tell.
pub(crate) fn memory_of(fd: RawFd) -> u64 {
    field(&fdinfo(fd), "memlock").unwrap_or(0)
}

fn fdinfo(fd: RawFd) -> String {
    fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default()
}

/// A `name: number` line.
fn field(info: &str, name: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "memlock_x:\t1\nmap_id:\t77\nmemlock:\t4096\n";
        assert_eq!(field(info, "map_id"), Some(77));
        assert_eq!(field(info, "memlock"), Some(4096));
        assert_eq!(field(info, "run_cnt"), None);
    }
}
