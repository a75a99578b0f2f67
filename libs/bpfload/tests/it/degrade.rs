//! Without the privilege nothing fails: every program is a row that says what is lost.

use std::os::unix::process::CommandExt;

use bpfload::{Hook, Kernel, Object, Options, PROGRAMS, State};

use crate::helpers;
use crate::support::kernel_lock;

#[test]
fn an_ordinary_user_gets_a_reason_for_every_program() {
    // SAFETY: a plain query.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: needs root to become somebody else");
        return;
    }
    // The binary may lie where that user cannot reach it: give it a copy.
    let copy = std::env::temp_dir().join(format!("bpfload-user-{}", std::process::id()));
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let role = helpers::command("reports");
    let mut command = std::process::Command::new(&copy);
    command.args(role.get_args()).envs(role.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let output = command.uid(65_534).gid(65_534).current_dir("/").output();
    std::fs::remove_file(&copy).unwrap();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let missing = text.lines().filter(|l| l.contains("missing: ") && l.contains("CAP_BPF")).count();
    assert_eq!(missing, loaded_at_start(), "{text}");
}

/// All but what stands on functions.
fn loaded_at_start() -> usize {
    PROGRAMS.iter().filter(|spec| !matches!(spec.hook, Hook::Function(_))).count()
}

#[test]
fn as_root_only_absent_hooks_are_missing() {
    let Some(_one) = kernel_lock() else { return };
    let kernel = Kernel::load(&Options::default());
    for program in kernel.programs() {
        match &program.state {
            State::Attached => {}
            State::Detached => {
                let is_sampled = matches!(program.spec.object, Object::Softirq | Object::Syscalls);
                assert!(is_sampled, "{}", program.spec.name);
            }
            State::Missing(lack) if lack.reason.contains("has no hook") => {
                eprintln!("absent: {}: {}", program.spec.name, lack.would_bring);
            }
            State::Missing(lack) => panic!("{}: {lack:?}", program.spec.name),
        }
    }
    assert_eq!(kernel.programs().len(), loaded_at_start());
}

#[test]
fn a_map_of_an_impossible_size_costs_its_object_and_nothing_else() {
    let Some(_one) = kernel_lock() else { return };
    let kernel = Kernel::load(&Options { processes: u32::MAX, sampled: vec![], ..Options::default() });
    let too_large = [Object::Sched, Object::Fs, Object::Reclaim];
    for program in kernel.programs() {
        let is_lost = too_large.contains(&program.spec.object);
        match &program.state {
            State::Attached => assert!(!is_lost, "{}", program.spec.name),
            State::Missing(lack) => assert!(is_lost || lack.reason.contains("has no hook"), "{lack:?}"),
            State::Detached => panic!("{}", program.spec.name),
        }
    }
}
