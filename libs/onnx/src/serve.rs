//! The process of the models: takes its own rights away, then answers until nobody asks any more.
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::ClockId;

use crate::model::{Model, Runtime};
use crate::wire::{Answer, Request, receive, send};

/// Address space of the process at most, the library included. Unit: bytes.
const MEMORY_MAX: u64 = 512 << 20;
/// Who it is where it was started as root: `nobody`.
const NOBODY: u32 = 65_534;

/// Answers what comes from `input` at `output`, until `input` ends.
///
/// # Errors
/// The other side is gone.
pub fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    // It must not outlive who started it, wherever it is busy.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let _ = rustix::process::nice(19);
    // Threads that the library makes inherit it.
    rustix::thread::set_no_new_privs(true)?;
    let runtime = crate::find().and_then(|library| Runtime::load(&library)).and_then(|runtime| {
        confine().map_err(|error| format!("its process cannot be confined: {error}"))?;
        Ok(runtime)
    });
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => return send(output, &Answer::Refused(why)),
    };
    send(output, &Answer::Ready)?;
    let mut models: BTreeMap<u32, Model> = BTreeMap::new();
    loop {
        let request = match receive(input) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            request => request?,
        };
        let answer = match request {
            Request::Load(number, bytes) => Model::load(&runtime, &bytes).map(|model| {
                let window = model.window() as u32;
                models.insert(number, model);
                Answer::Loaded(window)
            }),
            Request::Score(number, values) => match models.get_mut(&number) {
                Some(model) => {
                    let before = cpu_us();
                    let said = model.score(values);
                    said.map(|said| Answer::Score(said, cpu_us().saturating_sub(before) as u32))
                }
                None => Err("it is not loaded".to_owned()),
            },
        };
        send(output, &answer.unwrap_or_else(Answer::Refused))?;
    }
}

fn cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1_000
}

/// From here on: little memory, no new file, no rights.
fn confine() -> io::Result<()> {
    let limits =
        [(Resource::As, MEMORY_MAX), (Resource::Fsize, 0), (Resource::Core, 0), (Resource::Nofile, 0)];
    for (resource, most) in limits {
        let most = getrlimit(resource).maximum.map_or(most, |now| now.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    if rustix::process::geteuid().is_root() {
        become_nobody()?;
        // Changing the user forgets it.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    }
    Ok(())
}

/// Gives up user, group and groups, of all threads: those of the library, too.
fn become_nobody() -> io::Result<()> {
    // SAFETY: no memory is passed but a null pointer with a length of 0; the C library carries it to every thread.
    let done = unsafe {
        libc::setgroups(0, std::ptr::null()) == 0
            && libc::setresgid(NOBODY, NOBODY, NOBODY) == 0
            && libc::setresuid(NOBODY, NOBODY, NOBODY) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}
