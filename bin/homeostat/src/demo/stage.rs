//! This program as one of the demo's services.
use std::ffi::{CString, c_char, c_int};
use std::path::PathBuf;
use std::process::ExitCode;

use super::neighbour;
use super::service::{self, Place};

unsafe extern "C" {
    /// The service in C: `scenarios/services/pthread_service.c`.
    fn pthread_service(port: c_int, control: *const c_char, lease: *const c_char) -> c_int;
}

/// Serves as `demo-service RUNTIME PORT FOLDER` says, until ended.
pub fn main(arguments: &[String]) -> ExitCode {
    let [runtime, port, folder] = arguments else { return ExitCode::from(64) };
    let Ok(port) = port.parse::<u16>() else { return ExitCode::from(64) };
    let folder = PathBuf::from(folder);
    let place = Place { port, control: folder.join("control"), lease: folder.join("lease") };
    let done = match runtime.as_str() {
        "c" => return serve_in_c(&place),
        "rust" => service::serve(&place),
        "noisy" => neighbour::run(port, &folder.join("scratch")),
        _ => return ExitCode::from(64),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_in_c(place: &Place) -> ExitCode {
    let path = |path: &PathBuf| CString::new(path.as_os_str().as_encoded_bytes());
    let (Ok(control), Ok(lease)) = (path(&place.control), path(&place.lease)) else {
        return ExitCode::from(64);
    };
    // SAFETY: both strings outlive the call, which reads them only; it returns when it cannot serve.
    let code = unsafe { pthread_service(c_int::from(place.port), control.as_ptr(), lease.as_ptr()) };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
