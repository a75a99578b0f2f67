//! Observes children of this test on the machine it runs on: what they do must show, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use observe::{Live, NoServices, Observe, ObserveConfig, ServiceSource};
use vocab::event::{Event, EventKind};
use vocab::kernel::Happened;
use vocab::probe::{Probe, ProbeKind, ProbeResult};
use vocab::sample::{Sample, ServiceSample, ServiceState};
use vocab::{Entity, ProcessId, Timestamp};

/// Set in a child that this test starts of itself.
const ROLE: &str = "OBSERVE_TEST_ROLE";

/// A child of this test, ended and reaped when the test ends.
struct Played {
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Played {
    /// Starts this test binary again in that role, with `wrapper` before it, and waits until it is ready.
    fn start(role: &str, wrapper: &[&str]) -> Self {
        let this = std::env::current_exe().unwrap().to_string_lossy().into_owned();
        let line: Vec<&str> = wrapper.iter().copied().chain([&*this, "child_role", "--exact"]).collect();
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .args(["--nocapture", "token=hunter2"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap_or_default().contains("ready")), "{role} did not start");
        let stdin = child.stdin.take();
        Self { child, _stdin: stdin }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until every thread of a process sleeps and has not run for a while.
fn wait_until_asleep(pid: u32) {
    let ran = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().filter_map(Result::ok);
        let of = |task: std::path::PathBuf| {
            let read = |name: &str| std::fs::read_to_string(task.join(name)).unwrap_or_default();
            (read("stat").contains(") S "), read("schedstat"))
        };
        tasks.map(|task| of(task.path())).collect::<Vec<_>>()
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let before = ran();
        std::thread::sleep(std::time::Duration::from_millis(200));
        if before.iter().all(|(sleeps, _)| *sleeps) && before == ran() {
            return;
        }
        assert!(std::time::Instant::now() < end, "process {pid} does not fall asleep");
    }
}

fn ready_and_wait() {
    println!("ready");
    let _ = std::io::stdout().flush();
    // Ends with the test, whose end of this pipe is then closed.
    let _ = std::io::stdin().read_line(&mut String::new());
    std::process::exit(0);
}

/// What the children do; does nothing in the test run itself.
#[test]
fn child_role() {
    match std::env::var(ROLE).as_deref() {
        Ok("holder") => {
            let files: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
            let memory = vec![1u8; 64 << 20];
            std::hint::black_box((&files, &memory));
            ready_and_wait();
        }
        Ok("waiter") => {
            static LOCK: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
            std::thread::Builder::new()
                .name("stuck".into())
                .spawn(|| {
                    let mut held = LOCK.0.lock().unwrap();
                    loop {
                        held = LOCK.1.wait(held).unwrap();
                    }
                })
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(200));
            ready_and_wait();
        }
        Ok("observer") => observer(),
        _ => {}
    }
}

fn observe(services: Box<dyn ServiceSource>) -> Observe {
    Observe::open(ObserveConfig { services, ..ObserveConfig::default() }).unwrap()
}

fn first(observe: &mut Observe, probes: &[Probe]) -> Sample {
    observe.collect(Timestamp::from_secs(1), 1, 0, probes)
}

fn id_of(sample: &Sample, pid: u32) -> ProcessId {
    sample.processes.iter().find(|one| one.pid == pid).unwrap().id()
}

/// Ran as an ordinary user: sees itself and the machine, loses what it may not see, and says so.
fn observer() {
    let mut eyes = observe(Box::new(NoServices));
    let sample = first(&mut eyes, &[]);
    let own = std::process::id();
    assert!(sample.process_details.iter().any(|one| one.id.pid == own && one.descriptors.is_some()));
    let foreign = sample.process_details.iter().find(|one| one.id.pid != own && one.io_calls.is_none());
    assert!(foreign.is_some(), "what others read and write is hidden");
    assert!(sample.machine.memory.total_bytes > 0);
    let rows = eyes.capabilities();
    for name in ["root", "process_details", "sockets"] {
        let row = rows.iter().find(|row| row.name == name).unwrap();
        assert!(!row.is_available && row.lost.is_some() && row.remedy.is_some(), "{row:?}");
    }
    ready_and_wait();
}

#[test]
fn the_sample_of_a_running_machine_is_sane() {
    let mut eyes = observe(Box::new(NoServices));
    let sample = first(&mut eyes, &[]);
    assert!(sample.machine.cpus > 0 && sample.machine.uptime_s > 0.0);
    assert!(sample.processes.windows(2).all(|two| two[0].pid < two[1].pid), "in order of pid");
    assert_eq!(sample.processes.len(), sample.process_infos.len(), "the first sample has every info");
    assert!(sample.collectors.iter().all(|one| one.error.is_none()), "{:?}", sample.collectors);
    for name in ["machine", "processes", "sockets", "disks", "filesystems", "interfaces", "kernel_log"] {
        assert!(sample.collectors.iter().any(|one| &*one.name == name), "{name}");
    }
    assert!(sample.own.rss_bytes > 0);
}

#[test]
fn memory_and_descriptors_of_a_child_show_and_its_secret_does_not() {
    let child = Played::start("holder", &[]);
    let mut eyes = observe(Box::new(NoServices));
    let sample = first(&mut eyes, &[]);
    let id = id_of(&sample, child.pid());
    let detail = sample.process_details.iter().find(|one| one.id == id).unwrap();
    assert!(detail.anon_bytes >= Some(64 << 20), "{detail:?}");
    assert!(detail.descriptors >= Some(100), "{detail:?}");
    let info = sample.process_infos.iter().find(|one| one.id == id).unwrap();
    let command = info.command.as_deref().unwrap();
    assert!(command.contains("token=***") && !command.contains("hunter2"), "{command}");
    assert!(info.descriptor_limits.is_some() && info.exe.is_some());

    let mut live = Live::open("/proc".as_ref()).unwrap();
    assert!(live.open_files(child.pid()).iter().filter(|one| &*one.target == "/dev/null").count() >= 100);
    assert!(live.maps(child.pid())[0].anon_bytes >= 64 << 20, "the largest comes first");
    assert_eq!(live.process(child.pid()).unwrap().stat.start_ticks, id.start_ticks);
    assert!(live.process(u32::MAX).is_none());
}

#[test]
fn a_newborn_process_says_who_it_is_at_once_and_the_rest_at_the_second_look() {
    let mut eyes = observe(Box::new(NoServices));
    first(&mut eyes, &[]);
    // On a machine that thrashes one may have lived too long before it is ready.
    let start = || {
        let began = Instant::now();
        let child = Played::start("holder", &[]);
        (began.elapsed() < Duration::from_millis(800)).then_some(child)
    };
    let child = (0..20).find_map(|_| start()).expect("a program starts within a second");
    let mut look = |turn: u64| {
        let at = Timestamp::from_secs(i64::try_from(turn).unwrap());
        let sample = eyes.collect(at, turn, 0, &[]);
        let detail = sample.process_details.iter().find(|one| one.id.pid == child.pid()).copied();
        (detail.unwrap(), sample.process_infos.iter().find(|one| one.id.pid == child.pid()).cloned().unwrap())
    };
    let (detail, info) = look(2);
    assert!(detail.anon_bytes >= Some(64 << 20) && detail.io_calls.is_none(), "{detail:?}");
    assert!(info.exe.is_some() && info.command.is_some() && info.descriptor_limits.is_none(), "{info:?}");
    let (detail, info) = look(3);
    assert!(detail.io_calls.is_some() && info.descriptor_limits.is_some());
}

#[test]
fn an_idle_process_is_looked_at_every_ten_seconds_and_costs_nothing_between() {
    let child = Played::start("holder", &[]);
    let mut eyes = observe(Box::new(NoServices));
    let mut looks = Vec::new();
    let mut infos = 0;
    wait_until_asleep(child.pid());
    for turn in 1..=30 {
        let at = Timestamp::from_secs(i64::try_from(turn).unwrap());
        let sample = eyes.collect(at, turn, 0, &[]);
        infos += sample.process_infos.iter().filter(|one| one.id.pid == child.pid()).count();
        if sample.process_details.iter().any(|one| one.id.pid == child.pid()) {
            looks.push(turn);
        }
    }
    if std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|text| text.contains(".service")) {
        println!("skipped: this test runs in a unit of systemd, and whoever serves is looked at more often");
        return;
    }
    assert!((4..=6).contains(&looks.len()), "{looks:?}");
    assert!(looks.windows(2).all(|two| two[1] - two[0] <= 10), "{looks:?}");
    assert_eq!(infos, 1, "nothing about it changed");
}

#[test]
fn what_others_change_of_a_process_at_rest_is_seen_in_ten_seconds_or_at_once_when_expected() {
    let mut child = Command::new("nice").args(["-n", "2", "sleep", "60"]).spawn().unwrap();
    let mut eyes = observe(Box::new(NoServices));
    let pid = child.id();
    let nice = |second: i64, eyes: &mut Observe| {
        let sample = eyes.collect(Timestamp::from_secs(second), second.unsigned_abs(), 0, &[]);
        sample.processes.iter().find(|one| one.pid == pid).unwrap().nice
    };
    // It must have fallen asleep, and then rested for a while.
    wait_until_asleep(pid);
    for second in 1..=24 {
        nice(second, &mut eyes);
    }
    let target = rustix::process::Pid::from_child(&child);
    let renice = |to: i32| rustix::process::setpriority_process(Some(target), to).unwrap();
    // Only root may lower it, and the build may itself be nice: both values differ from any before.
    renice(18);
    assert!((25..=35).any(|second| nice(second, &mut eyes) == 18), "it is read though it never runs");
    let sample = eyes.collect(Timestamp::from_secs(36), 36, 0, &[]);
    eyes.fresh(Timestamp::from_secs(36), &[Entity::Process(id_of(&sample, pid))]);
    renice(19);
    assert_eq!(nice(37, &mut eyes), 19);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_thread_that_waits_on_a_futex_is_seen_with_the_words_there() {
    let child = Played::start("waiter", &[]);
    wait_until_asleep(child.pid());
    let mut eyes = observe(Box::new(NoServices));
    let id = id_of(&first(&mut eyes, &[]), child.pid());
    let probes = [Probe::threads(id), Probe::descriptors(id)];
    // A slow machine reads some threads in the time that a look may take, and others the next time.
    let looks = (2..30).map(|turn| eyes.collect(Timestamp::from_secs(turn), turn as u64, 0, &probes).answers);
    let found = looks.into_iter().find_map(|answers| {
        let Ok(ProbeResult::Threads(threads)) = &answers[0].result else {
            return Some(Err(format!("{:?}", answers[0].result)));
        };
        let stuck = threads.iter().find(|one| &*one.thread.name == "stuck")?.clone();
        Some(Ok((stuck, answers[1].result.clone())))
    });
    let (stuck, files) = match found.expect("the thread is seen") {
        Ok(found) => found,
        Err(why) => return println!("skipped: {why}"),
    };
    let Some(wait) = &stuck.wait else {
        println!("skipped: system calls of other processes may not be read here");
        return;
    };
    assert_eq!(stuck.thread.state, "S");
    assert!(!wait.has_timeout);
    assert_eq!(wait.words.map(|words| words[0]), Some(wait.expected), "it waits as long as this word stands");
    assert_eq!(stuck.thread.futex_owner, None, "a condition variable has no owner");
    assert!(matches!(files, Ok(ProbeResult::Descriptors(files)) if !files.is_empty()));
}

#[test]
fn over_budget_a_probe_waits_for_the_fifth_tick_and_is_carried_out_once() {
    let mut observe = observe(Box::new(NoServices));
    let own = id_of(&first(&mut observe, &[]), std::process::id());
    observe.shed(3);
    let mut answered = Vec::new();
    for turn in 2..=10 {
        let asked = if turn == 2 { vec![Probe::threads(own)] } else { Vec::new() };
        let sample = observe.collect(Timestamp::from_secs(turn as i64), turn, 0, &asked);
        answered.extend(sample.answers.iter().map(|_| turn));
    }
    assert_eq!(answered, [5]);
}

#[test]
fn a_probe_of_a_process_that_ended_or_of_nothing_says_so() {
    let mut eyes = observe(Box::new(NoServices));
    let gone = ProcessId { pid: std::process::id(), start_ticks: 1 };
    let nonsense = Probe { kind: ProbeKind::Maps, entity: Entity::Machine, budget_us: 1 };
    let sample = first(&mut eyes, &[Probe::threads(gone), nonsense]);
    assert!(sample.answers[0].result.as_ref().is_err_and(|text| text.contains("ended")));
    assert!(sample.answers[1].result.is_err());
}

#[test]
fn connections_are_counted_for_their_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let (_accepted, _) = listener.accept().unwrap();
    client.write_all(b"hello").unwrap();
    let _waiting: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    let sample = first(&mut observe(Box::new(NoServices)), &[]);
    let rows = sample.sockets.unwrap();
    let own = rows.iter().find(|row| row.id.pid == std::process::id()).unwrap();
    assert!(own.listen_ports.contains(&address.port()));
    assert!(own.accept_backlog >= 3 && own.established >= 5 && own.unread_connections >= 1, "{own:?}");
}

#[test]
fn a_fresh_sample_has_all_of_what_was_asked_and_takes_nothing_from_the_next_tick() {
    let child = Played::start("holder", &[]);
    let mut eyes = observe(Box::new(NoServices));
    let id = id_of(&first(&mut eyes, &[]), child.pid());
    let later = Played::start("waiter", &[]);
    let sample = eyes.fresh(Timestamp::from_secs(1), &[Entity::Process(id)]);
    assert!(sample.process_details.iter().any(|one| one.id == id && one.anon_bytes >= Some(64 << 20)));
    assert!(sample.process_infos.iter().any(|one| one.id == id));
    assert!(sample.process_infos.iter().any(|one| one.id.pid == later.pid()), "unknown ones are introduced");
    assert!(sample.processes.len() > 2 && sample.machine.cpus > 0);
    let next = eyes.collect(Timestamp::from_secs(2), 2, 0, &[]);
    assert!(next.process_infos.iter().any(|one| one.id.pid == later.pid()));
}

/// One service whose main process is a child of this test.
struct One(ServiceSample, Vec<Event>);

impl ServiceSource for One {
    fn services(&mut self) -> Vec<ServiceSample> {
        vec![self.0.clone()]
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.1)
    }
}

#[test]
fn a_service_owns_its_main_process_and_the_descendants_and_its_log_is_masked() {
    // What a shell starts in the background reads from /dev/null, unless told otherwise, and would end at once.
    let child = Played::start("holder", &["sh", "-c", "exec 3<&0; \"$@\" <&3 & wait", "sh"]);
    let main = Live::open("/proc".as_ref()).unwrap().process(child.pid()).unwrap().stat.id();
    let service = ServiceSample {
        name: "web".into(),
        state: ServiceState::Running,
        main: Some(main),
        cgroup: None,
        starts: 1,
        failures: 0,
        last_exit: None,
        back_off_s: 0.0,
        is_healthy: None,
    };
    let entity = Entity::Service("web".into());
    let message = "login with password=hunter2 ".repeat(100);
    let line = Event { at: Timestamp(0), kind: EventKind::ServiceLog, entity, level: None, message };
    let sample = first(&mut observe(Box::new(One(service, vec![line]))), &[]);
    let of_web = sample.process_infos.iter().filter(|one| one.service.as_deref() == Some("web"));
    assert_eq!(of_web.count(), 2, "the shell and what it started");
    let line = sample.events.iter().find(|one| one.kind == EventKind::ServiceLog).unwrap();
    assert!(!line.message.contains("hunter2") && line.message.len() <= 1_024);
}

#[test]
fn an_ordinary_user_sees_less_and_is_told_so() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    // The test binary may lie where nobody may go: a copy is run.
    let copy = std::env::temp_dir().join(format!("observe-live-{}", std::process::id()));
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let ran = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"])
        .arg(&copy)
        .args(["child_role", "--exact", "--nocapture"])
        .env(ROLE, "observer")
        .stdin(Stdio::null())
        .output();
    std::fs::remove_file(&copy).unwrap();
    match ran {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("skipped: setpriv: {error}"),
    }
}

#[test]
fn lines_of_the_journal_come_as_the_log_of_their_unit() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("observe-journal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("journalctl");
    let script = "#!/bin/sh\nprintf '_SYSTEMD_UNIT=web.service\\nPRIORITY=3\\nMESSAGE=token=hunter2\\n\\n'\n\
        printf '_TRANSPORT=kernel\\nMESSAGE=not ours\\n\\n'\nexec sleep 600\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = ObserveConfig { journal: Some(program), kernel_log: None, ..ObserveConfig::default() };
    let mut observe = Observe::open(config).unwrap();
    let mut events = Vec::new();
    for turn in 1..50 {
        events.extend(observe.collect(Timestamp::from_secs(turn), turn as u64, 0, &[]).events);
        if !events.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let [line] = events.as_slice() else { panic!("one line is ours: {events:?}") };
    assert_eq!((line.kind, &line.entity), (EventKind::ServiceLog, &Entity::Service("web.service".into())));
    assert!(line.message.contains("***") && !line.message.contains("hunter2"), "{}", line.message);
    drop(observe);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Without programs in the kernel, and without a privilege; only Linux 6.15 and later tell.
#[test]
fn how_a_young_process_ended_is_told_to_whoever_saw_it_alive() {
    let mut child = Played::start("holder", &[]);
    let mut eyes = observe(Box::new(NoServices));
    let id = id_of(&first(&mut eyes, &[]), child.pid());
    child.child.kill().unwrap();
    child.child.wait().unwrap();
    let sample = eyes.collect(Timestamp::from_secs(2), 2, 0, &[]);
    let event = sample.kernel_events.iter().find(|one| one.id == id);
    let collector = sample.collectors.iter().find(|one| &*one.name == "endings").unwrap();
    if collector.error.is_some() {
        return assert!(event.is_none());
    }
    let Some(Happened::Exit { code: None, signal: Some(9), ran_s, .. }) = event.map(|one| &one.what) else {
        panic!("{event:?}");
    };
    assert!((0.0..60.0).contains(ran_s));
    assert!(event.unwrap().program.as_deref().is_some_and(|path| path.contains("live")));
    let sample = eyes.collect(Timestamp::from_secs(3), 3, 0, &[]);
    assert!(sample.kernel_events.iter().all(|one| one.id != id), "it is told once");
}
