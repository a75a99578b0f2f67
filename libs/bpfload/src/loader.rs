//! The loader of programs that need no types of the kernel, made once.
use std::sync::{Mutex, OnceLock};

use aya::EbpfLoader;

/// Room for samples of allocations: ten times what is due between two reads. Unit: bytes.
const SAMPLES_BYTES: u32 = 512 << 10;

/// A loader that knows no types: no structure of the kernel is read. Making one reads all types nonetheless, which takes
/// 25 MiB for a moment and 25 ms, so it is made once, when the daemon starts.
pub(crate) fn untyped() -> &'static Mutex<EbpfLoader<'static>> {
    static LOADER: OnceLock<Mutex<EbpfLoader<'static>>> = OnceLock::new();
    LOADER.get_or_init(|| {
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        // As large as what comes until it is read: the whole of it counts as memory of the reader.
        loader.map_max_entries("alloc_samples", SAMPLES_BYTES);
        Mutex::new(loader)
    })
}
