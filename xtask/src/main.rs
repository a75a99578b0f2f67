//! Automation of the house; every task is `cargo xtask NAME`.
mod bench;
mod ci;
mod soak;
mod tidy;
mod vm;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask NAME

  tidy                        check the rules of the house
  ci                          all that must hold before a change lands: format, lints, tests, tidy
  bench NAME [--json FILE]    measure: peers, observe, replay, faults, heal, or a bench of bench/ (log, history, detect, bpf);
                              [--seconds N] [--binary FILE]; peers [--install] gets netdata and node_exporter;
                              faults [--only PART,...] [--record FILE] runs scenarios/programs, heal its services
  vm [SCENE]...               the scenes of scenarios/vm in the machine that HOMEOSTAT_VMCTL drives
  soak [PART]...              what takes longer than ci: demos of many seeds under load, quiet machines, a fault-free
                              hour: demos, idle, compile, mixed
";

fn main() -> ExitCode {
    if soak::work::is_called() {
        return ExitCode::SUCCESS;
    }
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let words = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    let done = match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["ci"] => ci::run(),
        ["soak", rest @ ..] => soak::run(rest),
        ["vm", rest @ ..] => vm::run(rest),
        ["bench", name, rest @ ..] => bench::run(name, rest),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// The root of the checkout.
fn root() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
