//! A place before everyone else for the thread that thinks and acts: the difference between healing and
//! watching when the machine is short of CPU.
use vocab::capability::Capability;

/// A turn takes milliseconds; one that computes for so long without sleeping is broken and is ended by the
/// kernel. Unit: us.
const RUN_MAX_US: u64 = 2_000_000;

/// Puts the calling thread in the lowest real-time class, else raises its priority; a row of what came of it.
pub fn take() -> Capability {
    let is_fifo = fifo();
    let is_raised = is_fifo || raise();
    let why = if is_raised {
        "no CAP_SYS_NICE and RLIMIT_RTPRIO is 0"
    } else {
        "no CAP_SYS_NICE and RLIMIT_NICE allows nothing"
    };
    Capability {
        name: "urgency".to_owned(),
        kind: "privilege".to_owned(),
        is_available: is_fifo,
        can_apply: None,
        can_undo: None,
        lost: (!is_fifo).then(|| "on a machine that thrashes, repairs come seconds later".to_owned()),
        reason: (!is_fifo).then(|| why.to_owned()),
        remedy: (!is_fifo).then(|| "run as root, or grant CAP_SYS_NICE".to_owned()),
    }
}

/// Goes back to where every process begins, so that what is started from here on begins there, too.
pub fn give_back() {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: both calls read a structure on our stack or plain integers; 0 names the calling thread.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameter);
        libc::setpriority(libc::PRIO_PROCESS, 0, 0);
    }
}

fn fifo() -> bool {
    let limit = libc::rlimit { rlim_cur: RUN_MAX_US, rlim_max: RUN_MAX_US * 2 };
    let parameter = libc::sched_param { sched_priority: 1 };
    // Children, such as the commands of `on_incident`, start without it.
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: both calls read a structure on our stack; 0 names the calling thread.
    unsafe {
        libc::setrlimit(libc::RLIMIT_RTTIME, &raw const limit) == 0
            && libc::sched_setscheduler(0, policy, &raw const parameter) == 0
    }
}

fn raise() -> bool {
    // SAFETY: setpriority(2) with plain integers; 0 names the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) == 0 }
}
