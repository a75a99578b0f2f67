//! `cargo xtask bench detect --data DIR [--json FILE]`: the scoreboard on the sets below DIR.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Scores the learning crate, the simple methods and the mutants on public labelled data.
#[derive(Parser)]
struct Args {
    /// Name of the bench, as `cargo xtask bench` hands it on.
    #[arg(value_parser = ["detect"])]
    _bench: Option<String>,
    /// Folder that holds nab, adfa, planetlab and ait-log-sequences.
    #[arg(long)]
    data: PathBuf,
    /// Also write the figures as a JSON array.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let report = match bench_detect::run::all(&args.data) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("bench-detect: {error}");
            return ExitCode::from(2);
        }
    };
    println!("{}", report.text());
    let Some(file) = args.json else { return ExitCode::SUCCESS };
    match std::fs::write(&file, format!("{:#}\n", report.json())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-detect: cannot write {}: {error}", file.display());
            ExitCode::from(2)
        }
    }
}
