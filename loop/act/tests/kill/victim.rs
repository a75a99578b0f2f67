//! The child that actions are tried on, and how it stands.
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vocab::ProcessId;

use crate::scenarios::{FileServices, Scenario, Stands};

/// Nice value of the victim's second thread: its own undo differs from that of the others.
const ODD_NICE: i32 = 3;

/// Time in which a signal must have taken effect.
const SETTLE: Duration = Duration::from_millis(300);

/// A child with three threads in a session of its own, in a cgroup of its own where the scenario wants one.
pub struct Victim {
    pub id: ProcessId,
    cgroup: Option<PathBuf>,
    prior: String,
}

impl Victim {
    /// `None` where the scenario cannot be set up here.
    pub fn new(scenario: Scenario) -> Option<Self> {
        let cgroup = match scenario.hierarchy() {
            None => None,
            Some(root) => Some(own_cgroup(root)?),
        };
        // SAFETY: this program has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            live();
        }
        let pid = pid.cast_unsigned();
        if let Some(folder) = &cgroup {
            fs::write(folder.join("cgroup.procs"), pid.to_string()).unwrap();
        }
        let is_ready = || tids(pid).len() == 3 && odd_thread_is_ready(pid);
        wait(is_ready);
        let start_ticks = stat(pid).1;
        let mut victim = Self { id: ProcessId { pid, start_ticks }, cgroup, prior: String::new() };
        victim.prior = victim.look(scenario, None);
        Some(victim)
    }

    /// How it stands, once signals under way have arrived or `wanted` is seen.
    pub fn stands(&self, scenario: Scenario, services: &FileServices, wanted: &Stands) -> Stands {
        wait(|| self.stands_now(scenario, services) == *wanted);
        self.stands_now(scenario, services)
    }

    /// How it stands at this moment.
    pub fn stands_now(&self, scenario: Scenario, services: &FileServices) -> Stands {
        let seen = self.look(scenario, Some(services));
        if seen == self.prior {
            Stands::Prior
        } else if seen == new_state(scenario, &self.prior) {
            Stands::New
        } else {
            Stands::Neither(seen)
        }
    }

    pub fn is_alive(&self) -> bool {
        !matches!(stat(self.id.pid).0, 'Z' | 'X')
    }

    /// All that the scenario may change, in words.
    fn look(&self, scenario: Scenario, services: Option<&FileServices>) -> String {
        let pid = self.id.pid;
        let file = |name: &str| fs::read_to_string(self.cgroup.as_ref().unwrap().join(name)).unwrap();
        match scenario {
            Scenario::Nice => format!("{:?}", tids(pid).into_iter().map(nice).collect::<Vec<_>>()),
            Scenario::StopBySignal => (if stat(pid).0 == 'T' { "stopped" } else { "runs" }).to_owned(),
            Scenario::FreezeV2 => file("cgroup.freeze").trim().to_owned(),
            Scenario::FreezeV1 => file("freezer.state").trim().replace("FREEZING", "FROZEN"),
            Scenario::SharesV1 => file("cpu.shares").trim().to_owned(),
            Scenario::Autogroup => {
                let text = fs::read_to_string(format!("/proc/{pid}/autogroup")).unwrap_or_default();
                text.split("nice ").last().unwrap_or_default().trim().to_owned()
            }
            Scenario::DescriptorLimit => soft_limit(pid).to_string(),
            Scenario::BackOffOwn => services.map_or(0.0, FileServices::back_off_min_s).to_string(),
            Scenario::RestartOwn => services.map_or(0, FileServices::starts).to_string(),
            Scenario::Terminate => (if self.is_alive() { "alive" } else { "dead" }).to_owned(),
        }
    }
}

/// What the scenario makes of the state before.
fn new_state(scenario: Scenario, prior: &str) -> String {
    match scenario {
        Scenario::Nice => "[10, 10, 10]",
        Scenario::StopBySignal => "stopped",
        Scenario::FreezeV2 => "1",
        Scenario::FreezeV1 => "FROZEN",
        // A tenth of 1,024.
        Scenario::SharesV1 => "102",
        Scenario::Autogroup => "10",
        Scenario::DescriptorLimit => return (prior.parse::<u64>().unwrap() * 2).to_string(),
        Scenario::BackOffOwn => "60",
        Scenario::RestartOwn => "1",
        Scenario::Terminate => "dead",
    }
    .to_owned()
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Some(folder) = &self.cgroup {
            // A frozen process cannot die.
            let _ = fs::write(folder.join("freezer.state"), "THAWED");
            let _ = fs::write(folder.join("cgroup.freeze"), "0");
        }
        let pid = self.id.pid.cast_signed();
        // SAFETY: our own child, which nobody else reaps.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        if let Some(folder) = &self.cgroup {
            wait(|| fs::remove_dir(folder).is_ok() || !folder.exists());
        }
    }
}

/// What the child does: nothing, in three threads, until its parent is gone.
fn live() -> ! {
    // SAFETY: plain system calls.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let limit = libc::rlimit { rlim_cur: 64, rlim_max: 256 };
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    let pause = || loop {
        std::thread::park();
    };
    std::thread::spawn(move || {
        // SAFETY: as above; 0 is the calling thread.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, ODD_NICE) };
        pause()
    });
    std::thread::spawn(pause);
    pause()
}

fn own_cgroup(root: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(root).join(format!("homeostat-kill-{}", std::process::id()));
    fs::create_dir(&folder).ok().map(|()| folder)
}

fn odd_thread_is_ready(pid: u32) -> bool {
    tids(pid).into_iter().filter(|tid| nice(*tid) == ODD_NICE).count() == 1
}

fn wait(mut until: impl FnMut() -> bool) {
    let end = Instant::now() + SETTLE;
    while !until() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn tids(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn nice(tid: u32) -> i32 {
    let tid = rustix::process::Pid::from_raw(tid.cast_signed());
    rustix::process::getpriority_process(tid).unwrap_or(99)
}

/// State letter and start time.
fn stat(pid: u32) -> (char, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = text.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<_> = rest.split(' ').collect();
    let start = fields.get(19).and_then(|field| field.parse().ok()).unwrap_or(0);
    (fields.first().and_then(|field| field.chars().next()).unwrap_or('X'), start)
}

fn soft_limit(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|word| word.parse().ok()).unwrap_or(0)
}
