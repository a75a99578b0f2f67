//! The loader of programs that need no types of the kernel, made once.
use std::sync::{Mutex, OnceLock};

use aya::EbpfLoader;

/// A loader that knows no types: no structure of the kernel is read. Making one reads all types nonetheless, which takes
/// 25 MiB for a moment and 25 ms, so it is made once, when the daemon starts.
pub(crate) fn untyped() -> &'static Mutex<EbpfLoader<'static>> {
    static LOADER: OnceLock<Mutex<EbpfLoader<'static>>> = OnceLock::new();
    LOADER.get_or_init(|| {
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        Mutex::new(loader)
    })
}
