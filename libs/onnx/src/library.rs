//! Where the library of ONNX Runtime lies.
use std::path::{Path, PathBuf};

/// Folders that are looked into, besides `LD_LIBRARY_PATH`.
const FOLDERS: [&str; 8] = [
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/onnxruntime/lib",
    "/opt/onnxruntime/lib64",
];

/// The library: the one that `ORT_DYLIB_PATH` names, else the first `libonnxruntime.so` with or without a version in the
/// usual folders.
///
/// # Errors
/// There is none, in words.
pub fn find() -> Result<PathBuf, String> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(named) = variable("ORT_DYLIB_PATH").map(PathBuf::from) {
        let is_there = named.is_absolute() && named.is_file();
        return if is_there {
            Ok(named)
        } else {
            Err(format!("ORT_DYLIB_PATH names `{}`, where no file is", named.display()))
        };
    }
    let own = variable("LD_LIBRARY_PATH").unwrap_or_default();
    let folders = std::env::split_paths(&own).chain(FOLDERS.map(PathBuf::from));
    let mut found = folders.filter(|folder| folder.is_absolute()).filter_map(|folder| in_folder(&folder));
    found
        .next()
        .ok_or_else(|| "no libonnxruntime.so in the usual folders; ORT_DYLIB_PATH names it".to_owned())
}

fn in_folder(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join("libonnxruntime.so");
    if plain.is_file() {
        return Some(plain);
    }
    let is_it = |name: &str| name.starts_with("libonnxruntime.so.");
    let all = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let mut versions: Vec<PathBuf> =
        all.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_it)).collect();
    versions.sort();
    versions.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_with_a_version_in_its_name_is_found() {
        let folder = std::env::temp_dir().join(format!("onnx-library-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(in_folder(&folder), None);
        std::fs::write(folder.join("libonnxruntime.so.1.20.0"), b"").unwrap();
        assert_eq!(in_folder(&folder), Some(folder.join("libonnxruntime.so.1.20.0")));
        std::fs::write(folder.join("libonnxruntime.so"), b"").unwrap();
        assert_eq!(in_folder(&folder), Some(folder.join("libonnxruntime.so")));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
