//! Starting a service: a session, limits, cgroups and pipes of its own.
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::cgroup::Place;
use crate::main_process::Main;
use crate::mark;
use crate::user::User;
use crate::{Options, ServiceConfig};

/// A started service.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub main: Main,
    pub pipes: Vec<File>,
}

/// What the child does to itself between fork and exec: plain integers and prepared strings only, because it
/// may not allocate there.
struct InChild {
    tracer_pid: Option<u32>,
    descriptors: Option<u64>,
    nice: Option<i32>,
    join_files: Vec<CString>,
    user: Option<User>,
}

/// Starts the service.
///
/// # Errors
/// The program cannot be executed, or there are no processes or descriptors left.
pub(crate) fn spawn(
    config: &ServiceConfig,
    options: &Options,
    place: &Place,
    mark: &str,
) -> io::Result<Spawned> {
    let user = config.user.as_deref().map(User::find).transpose().map_err(io::Error::other)?;
    let (program, arguments) = config.command.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let join_files = place.join_files();
    let in_child = InChild {
        tracer_pid: options.tracer_pid,
        descriptors: config.limits.descriptors,
        nice: config.limits.nice,
        join_files: join_files
            .iter()
            .filter_map(|path| CString::new(path.as_os_str().as_bytes()).ok())
            .collect(),
        user: user.clone().filter(User::is_other),
    };
    let mut command = Command::new(program);
    if let Some(user) = &user {
        command.envs([("HOME", &user.home), ("USER", &user.name), ("LOGNAME", &user.name)]);
    }
    command
        .args(arguments)
        .envs(&config.environment)
        .env(mark::NAME, mark)
        .current_dir(config.directory.as_deref().unwrap_or_else(|| "/".as_ref()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: the closure calls only async-signal-safe system calls on values prepared before the fork.
    unsafe { command.pre_exec(move || in_child.prepare()) };
    let mut child = command.spawn()?;
    let out = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let err = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let pipes = out.into_iter().chain(err).collect::<Vec<_>>();
    for pipe in &pipes {
        rustix::io::ioctl_fionbio(pipe.as_fd(), true)?;
    }
    Ok(Spawned { main: Main::of_child(child)?, pipes })
}

impl InChild {
    fn prepare(&self) -> io::Result<()> {
        for file in &self.join_files {
            join(file);
        }
        keep_readers();
        // SAFETY: setsid(2) takes nothing; it cannot fail in a child that was just forked.
        unsafe { libc::setsid() };
        allow_signals();
        if let Some(pid) = self.tracer_pid {
            // SAFETY: prctl(2) with plain integers; kernels without Yama refuse it, which loses nothing.
            unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::c_ulong::from(pid), 0, 0, 0) };
        }
        if let Some(descriptors) = self.descriptors {
            limit_descriptors(descriptors)?;
        }
        if let Some(nice) = self.nice {
            // SAFETY: setpriority(2) with plain integers.
            if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // Last: whatever takes privilege is done.
        self.user.as_ref().map_or(Ok(()), become_user)
    }
}

/// Groups first: without the user's privilege they could not be changed any more.
fn become_user(user: &User) -> io::Result<()> {
    // SAFETY: plain system calls on integers prepared before the fork; the list outlives the call.
    let done = unsafe {
        // A service may open its own standard output anew, as some do by way of /dev/stdout.
        libc::fchown(1, user.uid, user.gid);
        libc::fchown(2, user.uid, user.gid);
        libc::setgroups(user.groups.len(), user.groups.as_ptr()) == 0
            && libc::setgid(user.gid) == 0
            && libc::setuid(user.uid) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Opens the pipes of standard output and error for reading, too, so that there is a reader while no supervisor lives:
/// a service that writes then waits for the next one once the pipe is full, instead of dying of SIGPIPE.
fn keep_readers() {
    for (path, target) in [(c"/proc/self/fd/1", 1), (c"/proc/self/fd/2", 2)] {
        // SAFETY: the path is a C string; the descriptor is used and closed here only. Without /proc the pipe stays
        // as it is.
        unsafe {
            let fd = libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if fd >= 0 {
                libc::dup2(fd, target);
                libc::close(fd);
            }
        }
    }
}

/// A supervisor blocks signals to wait for them; a service that inherited that could not be asked to end.
fn allow_signals() {
    // SAFETY: both calls work on a set on our stack.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Joins one cgroup; one that refuses leaves the service where its parent is.
fn join(file: &CString) {
    // SAFETY: the path is a C string that outlives the call; the descriptor is used and closed here only.
    unsafe {
        let fd = libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            libc::write(fd, c"0".as_ptr().cast(), 1);
            libc::close(fd);
        }
    }
}

fn limit_descriptors(soft: u64) -> io::Result<()> {
    // SAFETY: getrlimit(2) and setrlimit(2) write and read a structure on our stack.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = soft.min(limit.rlim_max);
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_starts_with_no_signal_blocked() {
        let in_child =
            InChild { tracer_pid: None, descriptors: None, nice: None, join_files: Vec::new(), user: None };
        let mut command = Command::new("grep");
        command.args(["SigBlk", "/proc/self/status"]);
        // SAFETY: the set is on our stack; the closure calls only async-signal-safe system calls.
        unsafe {
            let mut term: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut term);
            libc::sigaddset(&raw mut term, libc::SIGTERM);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const term, std::ptr::null_mut());
            command.pre_exec(move || in_child.prepare());
        }
        let said = command.output().unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&said).trim(), "SigBlk:\t0000000000000000");
    }
}
