//! The command line: what can be said, and who answers. One file a subcommand.
mod actions;
mod completions;
mod context;
mod doctor;
mod explain;
mod export;
mod incidents;
mod install;
mod man;
mod mode;
mod model;
mod profile;
mod run;
mod service;
mod sql;
mod status;
mod store;
mod tables;
mod undo;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::error::{Exit, UserError};
use crate::output::{Color, Format};
use context::Context;

const EXAMPLES: &str = "\
Examples:
  homeostat                      watch this machine; change nothing until told
  homeostat status               is it healthy?
  homeostat sql \"SELECT pid, name, rss_bytes FROM processes ORDER BY rss_bytes DESC LIMIT 5\"
  homeostat explain 12           why incident 12 happened, and what would repair it
  homeostat mode heal            allow repairs
  homeostat undo 17              take an action back

Exit codes: 0 yes, healthy, done · 1 no: an incident is open · 2 error · 3 no daemon answers · 4 refused by a guard";

/// Keeps a Linux machine healthy by itself.
#[derive(Parser)]
#[command(name = "homeostat", version, before_help = EXAMPLES, after_long_help = environment())]
#[command(disable_help_subcommand = false, args_conflicts_with_subcommands = false)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command understands.
#[derive(Args, Clone, Default)]
pub struct Global {
    /// Print one JSON object a line (sql: one array of objects)
    #[arg(long, global = true, conflicts_with = "plain")]
    json: bool,
    /// Print one record a line, fields divided by tabs
    #[arg(long, global = true)]
    plain: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    /// Folder of store and socket
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Configuration file, instead of the system's and the user's
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say less: only the answer and errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Watch this machine; what `homeostat` alone does
    Run(run::Run),
    /// Is the machine healthy? Exit code 1 if an incident is open
    Status,
    /// Ask the tables, or change a cell by UPDATE
    Sql(sql::Sql),
    /// List the tables, or the columns of one
    Tables(tables::Tables),
    /// List what is wrong, or mute one
    Incidents(incidents::Incidents),
    /// Show cause, evidence, alternatives and what was done about an incident
    Explain(explain::Explain),
    /// List what was done, what came of it, and what can be undone
    Actions,
    /// Take an action back, or all of them
    Undo(undo::Undo),
    /// Show or set how far Homeostat may go: observe, advise or heal
    Mode(mode::ModeArgs),
    /// Take what was learnt to another machine, or make it smaller
    #[command(subcommand)]
    Model(model::Model),
    /// What this machine lets Homeostat see and do, and how to get the rest
    Doctor,
    /// Show where a process uses CPU time, waits or takes memory
    Profile(profile::Profile),
    /// Run services under Homeostat's own supervisor
    #[command(subcommand)]
    Service(service::Service),
    /// Watch this machine and write every turn down
    Record(crate::record::Record),
    /// Write the numbers of the past as CSV
    Export(export::Export),
    /// Look after the history: check, compact, stats
    #[command(subcommand)]
    Store(store::Store),
    /// Think a recording through again, under its own rules or others
    Replay(crate::record::Replay),
    /// Real services with real faults in a sandbox: watch it heal
    Demo(crate::demo::Demo),
    /// Install Homeostat as a systemd unit
    Install(install::Install),
    /// Remove what `install` made, after undoing what can be undone
    Uninstall(install::Uninstall),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Print the manual page
    Man(man::Man),
}

/// Parses, runs, prints errors, and turns the end into an exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(error) if error.is_broken_pipe => Exit::Ok.into(),
        Err(error) => {
            eprintln!("{error}");
            error.exit.into()
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, UserError> {
    let command = cli.command.unwrap_or_else(|| Command::Run(run::Run::default()));
    let global = cli.global;
    match &command {
        Command::Run(args) => return run::run(args, &global),
        Command::Demo(args) => return crate::demo::run(args, global.json),
        _ => {}
    }
    let mut context = Context::new(&global)?;
    let exit = match command {
        Command::Run(_) | Command::Demo(_) => Ok(Exit::Ok),
        Command::Record(args) => {
            let policies = context.config.as_ref().ok().and_then(|config| config.policies.clone());
            crate::record::record(&args, policies.as_deref(), global.format())
        }
        Command::Replay(args) => crate::record::replay(&args, &context.paths.state_dir, global.format()),
        Command::Export(args) => export::run(&args, &mut context),
        Command::Store(order) => store::run(order, &mut context),
        Command::Status => status::run(&mut context),
        Command::Sql(args) => sql::run(&args, &mut context),
        Command::Tables(args) => tables::run(&args, &mut context),
        Command::Incidents(args) => incidents::run(&args, &mut context),
        Command::Explain(args) => explain::run(&args, &mut context),
        Command::Actions => actions::run(&mut context),
        Command::Undo(args) => undo::run(&args, &mut context),
        Command::Mode(args) => mode::run(&args, &mut context),
        Command::Model(order) => model::run(&order, &mut context),
        Command::Doctor => doctor::run(&mut context),
        Command::Profile(args) => profile::run(&args, &mut context),
        Command::Service(args) => service::run(&args, &mut context),
        Command::Install(args) => install::install(&args, &mut context),
        Command::Uninstall(args) => install::uninstall(&args, &mut context),
        Command::Completions(args) => completions::run(&args, &mut context),
        Command::Man(_) => man::run(&mut context),
    }?;
    context.out.finish()?;
    Ok(exit.into())
}

impl Global {
    const fn format(&self) -> Format {
        match (self.json, self.plain) {
            (true, _) => Format::Json,
            (_, true) => Format::Plain,
            _ => Format::Table,
        }
    }
}

fn environment() -> String {
    let lines = crate::config::ENVIRONMENT.iter().map(|(name, doc)| format!("  {name:<22}{doc}"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("Environment:\n{lines}\n\nPrecedence: flags, environment, the user's files, the system's files.")
}
