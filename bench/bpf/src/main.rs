//! Benches of the kernel side: `bench-bpf bpf|reflex|memory|storm|profile [--json FILE] [--pairs N] [--binary FILE]`, as root but for `profile`.
//!
//! `bpf`: what the programs cost, attached against detached. `reflex`: from event to effect, against
//! the bare floor. `memory`: from memory running out to a decision of the daemon. `storm`: 100,000 signals a
//! second beside the daemon. `profile`: what it costs a process to have its stacks sampled and, as
//! root, its calls watched. Every figure is printed and, with `--json`, written as one array.

mod armed;
mod calls;
mod cost;
mod daemon;
mod earlyoom;
mod figure;
mod floor;
mod governed;
mod loads;
mod measure;
mod memory;
mod profile;
mod reactor;
mod reflex;
mod room;
mod storm;
mod stress;

use std::process::ExitCode;

use figure::Figures;

const USAGE: &str =
    "usage: bench-bpf bpf|reflex|memory|storm|profile [--json FILE] [--pairs N] [--binary FILE]";

fn main() -> ExitCode {
    let all: Vec<String> = std::env::args().skip(1).collect();
    // A child of ours: takes memory until it is killed.
    if let Some(("hog", rest)) = all.split_first().map(|(role, rest)| (role.as_str(), rest)) {
        return memory::hog(rest);
    }
    // Another one: sends signals.
    if let Some(("shoot", rest)) = all.split_first().map(|(role, rest)| (role.as_str(), rest)) {
        return storm::shooter(rest);
    }
    // And one that is watched.
    if let [role, what] = all.as_slice()
        && role == "work"
    {
        return profile::worker(what);
    }
    if let [role, what, path] = all.as_slice()
        && (role.as_str(), what.as_str()) == ("work", "calls")
    {
        return calls::worker(path);
    }
    let mut args = all.into_iter();
    let mut binary = None;
    let (mut bench, mut json, mut pairs) = (None, None, 100);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => json = args.next(),
            "--binary" => binary = args.next(),
            "--pairs" => pairs = args.next().and_then(|n| n.parse().ok()).unwrap_or(pairs),
            _ => bench = Some(arg),
        }
    }
    if bench.as_deref() != Some("profile") && !bpfload::has_capabilities() {
        eprintln!("error: loading programs needs root, or CAP_BPF and CAP_PERFMON");
        return ExitCode::from(2);
    }
    let mut figures = Figures::default();
    let done = match bench.as_deref() {
        Some("bpf") => cost::run(pairs, &mut figures),
        Some("reflex") => reflex::run(pairs * 10, &mut figures),
        Some("storm") => storm::run(binary, &mut figures),
        Some("profile") => {
            let pairs = pairs.div_ceil(40);
            profile::run(pairs, &mut figures).and_then(|()| calls::run(pairs, &mut figures))
        }
        Some("memory") => memory::run(pairs.div_ceil(10), binary, &mut figures),
        // A child of ours: uses memory at its limit until it is killed.
        Some("thrash") => return stress::thrash(),
        _ => Err(USAGE.into()),
    };
    let written = json.map_or(Ok(()), |path| figures.write(&path));
    match done.and(written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}
