//! The doors: one page and one socket, which read the last turn and never hold up the loop.
//!
//! Read [`Doors`] first. Every request passes `guard`, then finds its handler in `router`.
mod answer;
mod change;
mod desk;
mod entry;
mod events;
mod guard;
pub mod json;
mod listen;
mod metrics;
mod models;
mod page;
mod read;
mod request;
mod router;
mod scope;
pub mod service;
mod sql;
mod state;
mod status;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use vocab::rule::Mode;

pub use cycle::{Command, Turn};
pub use desk::{Readers, error_and_hint};
pub use service::{ServiceControl, ServiceFile, ServiceOp, ServiceStatus};
pub use sql::{is_update, rows};

use crate::error::{UserError, words};
use entry::Entry;
use state::Shared;

/// Which doors to open.
pub struct DoorsConfig {
    /// Port of the page, asked for; `None` takes 7007 or the next that is free.
    pub port: Option<u16>,
    /// Path of the Unix socket.
    pub socket: PathBuf,
    /// What SQL may read beyond the last turn.
    pub readers: Readers,
}

/// Where the doors are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Address of the page, secret included.
    pub url: String,
    /// Path of the Unix socket.
    pub socket: PathBuf,
}

/// The open doors; closed when dropped.
pub struct Doors {
    shared: Arc<Shared>,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Doors {
    /// Opens them, in a thread of their own.
    ///
    /// # Errors
    /// The port or the socket is taken, or the system refuses a thread or randomness.
    pub fn start(
        config: DoorsConfig,
        services: Arc<dyn ServiceControl>,
    ) -> Result<(Self, Addresses), UserError> {
        let daemon_uid = rustix::process::geteuid().as_raw();
        let unix = listen::unix(&config.socket, daemon_uid == 0)?;
        let tcp = listen::tcp(config.port)?;
        let port = tcp.local_addr().map_err(|error| cannot_start(&error))?.port();
        let token = token().map_err(|error| cannot_start(&error))?;
        let entry = Entry { token, port: Some(port), daemon_uid, proc_hides: proc_hides() };
        let url = entry.url().unwrap_or_default();
        let shared = Arc::new(Shared::new(services, desk::SqlDesk::new(config.readers), entry));
        let router = router::router(shared.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(4)
            .build()
            .map_err(|error| cannot_start(&error))?;
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            tokio::select! {
                _ = listen::serve_tcp(tcp, router.clone()) => {}
                _ = listen::serve_unix(unix, router) => {}
                _ = stopped => {}
            }
        };
        let thread = std::thread::Builder::new().name("doors".to_owned()).spawn(move || {
            runtime.block_on(serve);
            runtime.shutdown_background();
        });
        let thread = thread.map_err(|error| cannot_start(&error))?;
        let socket = config.socket;
        let addresses = Addresses { url, socket: socket.clone() };
        Ok((Self { shared, socket, stop: Some(stop), thread: Some(thread) }, addresses))
    }

    /// Shows `turn` to everyone from now on. Waits for nobody.
    pub fn publish(&self, turn: Arc<Turn>, mode: Mode) {
        self.shared.publish(turn, mode);
    }

    /// What people told the loop since the last call, oldest first; at most 64.
    pub fn take_commands(&self) -> Vec<Command> {
        self.shared.take_commands()
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.socket);
    }
}

fn cannot_start(error: &std::io::Error) -> UserError {
    let what = format!("cannot open the page: {}", words(error));
    UserError::new(what, "`ulimit -a` shows the limits of this shell")
}

/// 256 random bits in hexadecimal.
fn token() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(crate::hex::encode(&bytes))
}

/// Whether /proc is mounted so that users do not see each other's processes.
fn proc_hides() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut proc = mounts.lines().rev().filter(|line| line.split(' ').nth(1) == Some("/proc"));
    proc.next().and_then(|line| line.split(' ').nth(3)).is_some_and(|options| {
        let mut hides = options.split(',').filter_map(|option| option.strip_prefix("hidepid="));
        hides.any(|value| value != "0" && value != "off")
    })
}
