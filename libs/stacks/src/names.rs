//! Names of functions for people: demangled, and told apart by who wrote them.
//!
//! A program grows or waits in a function of its own; what it calls to do so, in allocators, C libraries and language
//! run-times, is the same everywhere and names nobody.

/// Longest name that is kept. Unit: bytes.
const NAME_BYTES_MAX: usize = 160;

/// Files of run-times, by how their names begin.
const RUNTIME_FILES: &[&str] = &[
    "libc.so",
    "libc-",
    "ld-linux",
    "ld-musl",
    "ld-2",
    "libpthread",
    "librt.so",
    "libdl.so",
    "libm.so",
    "libstdc++",
    "libc++",
    "libgcc_s",
    "libjemalloc",
    "libtcmalloc",
    "libmimalloc",
    "[vdso]",
    "[kernel",
    "[python",
];

/// Paths of functions of run-times, by how they begin.
const RUNTIME_PATHS: &[&str] = &[
    "core::",
    "alloc::",
    "std::",
    "hashbrown::",
    "__gnu_cxx::",
    "operator new",
    "operator delete",
    "__rust",
    "__rdl_",
    "__rg_",
    "__libc_",
    "_int_",
    "__pthread_",
    "___pthread_",
    "__lll_",
    "__futex",
    "__mem",
    "__clone",
    "__GI_",
    "pthread_",
    "je_",
    "tc_",
    "mi_",
    "runtime.",
    "PyMem_",
    "PyObject_Malloc",
    "_PyObject_Malloc",
];

/// Functions of C libraries in a program that was linked with them.
const RUNTIME_NAMES: &[&str] = &[
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "free",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "sysmalloc",
    "malloc_consolidate",
    "memcpy",
    "memset",
    "memmove",
    "memcmp",
    "mmap",
    "mmap64",
    "brk",
    "sbrk",
    "_start",
    "clone",
    "__clone",
    "clone3",
    "__clone3",
    "start_thread",
    "syscall",
];

/// The name as its author wrote it, without hash and parameters that only a linker needs.
pub(crate) fn demangle(symbol: &str) -> String {
    // A symbol may carry its version: `pthread_create@@GLIBC_2.34`.
    let symbol = symbol.split('@').next().unwrap_or(symbol);
    let name = match rustc_demangle::try_demangle(symbol) {
        Ok(rust) => format!("{rust:#}"),
        Err(_) if symbol.starts_with("_Z") => cplusplus(symbol).unwrap_or_else(|| symbol.to_owned()),
        Err(_) => symbol.to_owned(),
    };
    cut(&name)
}

fn cplusplus(symbol: &str) -> Option<String> {
    let parsed = cpp_demangle::Symbol::new(symbol).ok()?;
    parsed.demangle_with_options(&cpp_demangle::DemangleOptions::new().no_params()).ok()
}

/// A name that stands in one line of text between `;`, and is not endless.
pub(crate) fn cut(name: &str) -> String {
    let clean = |c: char| if c == ';' || c.is_control() { ':' } else { c };
    name.char_indices()
        .take_while(|(at, c)| at + c.len_utf8() <= NAME_BYTES_MAX)
        .map(|(_, c)| clean(c))
        .collect()
}

/// Whether a function belongs to an allocator, a C library or the run-time of a language; `file` is the last part of the
/// path of the file with its code, or empty.
pub fn is_runtime(name: &str, file: &str) -> bool {
    let begins = |text: &str, with: &[&str]| with.iter().any(|one| text.starts_with(one));
    begins(file, RUNTIME_FILES)
        || begins(name, RUNTIME_FILES)
        || RUNTIME_NAMES.contains(&name)
        || begins(path(name), RUNTIME_PATHS)
}

/// The path of a function: without the type that it returns and what its type is made of.
fn path(name: &str) -> &str {
    let name = name.trim_start_matches(['<', '&']);
    if name.starts_with("operator") {
        return name;
    }
    let end = name.find(['<', '(']).unwrap_or(name.len());
    let head = &name[..end];
    head.rfind(' ').filter(|_| !head.contains(" as ")).map_or(name, |blank| &name[blank + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_and_cplusplus_are_demangled_and_c_is_left() {
        assert_eq!(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(demangle("_ZN4shop4Cart3addEi"), "shop::Cart::add");
        assert_eq!(demangle("pthread_create@@GLIBC_2.34"), "pthread_create");
        assert_eq!(demangle("_Znonsense"), "_Znonsense");
        assert_eq!(demangle("a;b\n"), "a:b:");
        assert!(demangle(&"é".repeat(500)).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn run_times_are_told_from_programs() {
        for (name, file) in [
            ("malloc", "a.out"),
            ("anything", "libc.so.6"),
            ("alloc::vec::Vec<T>::reserve", "a.out"),
            ("<alloc::vec::Vec<T> as core::clone::Clone>::clone", "a.out"),
            ("void std::vector<int>::push_back", "a.out"),
            ("operator new", "a.out"),
            ("__libc_start_main", "a.out"),
        ] {
            assert!(is_runtime(name, file), "{name} of {file}");
        }
        for (name, file) in [
            ("main", "a.out"),
            ("shop::Cart::add", "libshop.so"),
            ("<shop::Cart as core::clone::Clone>::clone", "a.out"),
            ("allocate_cart", "a.out"),
            ("libcart+0x10", "libcart.so"),
            ("standard::x", "a.out"),
        ] {
            assert!(!is_runtime(name, file), "{name} of {file}");
        }
    }
}
