//! Listening: the loopback port and the Unix socket, bounded in connections and in patience.
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tower::Service;

use super::entry::Peer;
use crate::error::{Exit, UserError, words};

/// Connections at one time, of one door; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;

/// Longest time for the head of a request, and of idleness between two.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// Bytes of a request's head and of what is read ahead.
const BUFFER_MAX: usize = 16 << 10;

/// The page's first choice of a port.
pub const PORT: u16 = 7007;

/// Ports that are tried after the first, when none was asked for.
const PORTS: u16 = 50;

/// Takes a loopback port: the one asked for, else the first free one from 7007 on.
///
/// # Errors
/// The port asked for, or every one tried, is taken.
pub fn tcp(asked: Option<u16>) -> Result<TcpListener, UserError> {
    let bind = |port| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true).map(|()| listener)
    };
    if let Some(port) = asked {
        return bind(port).map_err(|error| {
            let what = format!("cannot listen on port `{port}`: {}", words(&error));
            UserError::new(what, "name another with `--port`, or leave it out to take the next free one")
        });
    }
    (PORT..PORT + PORTS).find_map(|port| bind(port).ok()).ok_or_else(|| {
        let what = format!("no port from {PORT} to {} is free", PORT + PORTS - 1);
        UserError::new(what, "name one with `--port`")
    })
}

/// Takes the Unix socket; one that nobody answers on is left over from a crash and is replaced.
///
/// # Errors
/// Another daemon answers there, or the socket cannot be made.
pub fn unix(path: &Path, is_for_all: bool) -> Result<UnixListener, UserError> {
    if UnixStream::connect(path).is_ok() {
        let what = format!("another Homeostat answers at `{}`", path.display());
        return Err(UserError::new(
            what,
            "`homeostat status` asks it; a second one needs its own `--state-dir`",
        ));
    }
    let make = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let mode = if is_for_all { 0o666 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    make().map_err(|error: io::Error| {
        let what = format!("cannot make the socket `{}`: {}", path.display(), words(&error));
        UserError::new(what, "name a folder you may write with `--state-dir DIR`").exit(Exit::Error)
    })
}

/// Serves the loopback port for ever.
pub async fn serve_tcp(listener: TcpListener, router: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return Ok(()) };
        let Some((stream, _)) = patient(listener.accept().await).await else { continue };
        let router = router.clone();
        tokio::spawn(async move {
            converse(stream, Peer::Tcp, router).await;
            drop(permit);
        });
    }
}

/// Serves the Unix socket for ever.
pub async fn serve_unix(listener: UnixListener, router: Router) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return Ok(()) };
        let Some((stream, _)) = patient(listener.accept().await).await else { continue };
        // Without credentials from the kernel nobody is let in.
        let Ok(credentials) = stream.peer_cred() else { continue };
        let router = router.clone();
        tokio::spawn(async move {
            converse(stream, Peer::Unix { uid: credentials.uid() }, router).await;
            drop(permit);
        });
    }
}

/// An accepted connection; after a failure (no descriptors left) a moment passes before the next try.
async fn patient<T>(accepted: io::Result<T>) -> Option<T> {
    if accepted.is_err() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    accepted.ok()
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: Peer, router: Router) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(BUFFER_MAX);
    // What ends a connection early is the other side's affair: there is nobody to tell.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
