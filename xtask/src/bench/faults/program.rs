//! A program of the corpus made ready: compiled, or with the interpreter it needs.
use std::path::{Path, PathBuf};
use std::process::Command;

/// The words that start a source file; the error says why this machine cannot.
pub(super) fn words(source: &Path, built: &Path) -> Result<Vec<String>, String> {
    let path = source.display().to_string();
    match source.extension().and_then(|one| one.to_str()) {
        Some("c") => compile(source, built, "cc", &["-O1", "-pthread"]),
        Some("cpp") => compile(source, built, "c++", &["-O1", "-pthread", "-std=c++17"]),
        Some("rs") => compile(source, built, "rustc", &["--edition", "2024", "-O"]),
        Some("py") => Ok(vec![python()?, path]),
        Some("sh") => Ok(vec![find("sh")?, path]),
        Some("pl") => Ok(vec![find("perl")?, path]),
        Some("tcl") => Ok(vec![find("tclsh")?, path]),
        Some("js") => Ok(vec![find("node")?, path]),
        Some("java") => java(source, built),
        _ => Err(format!("nothing runs {path}")),
    }
}

fn compile(source: &Path, built: &Path, compiler: &str, flags: &[&str]) -> Result<Vec<String>, String> {
    let stem = source.file_stem().unwrap_or_default();
    let program = built.join(stem).with_extension(compiler);
    if !program.exists() {
        run(Command::new(find(compiler)?).args(flags).arg("-o").arg(&program).arg(source))?;
    }
    Ok(vec![program.display().to_string()])
}

fn java(source: &Path, built: &Path) -> Result<Vec<String>, String> {
    run(Command::new(find("javac")?).arg("-d").arg(built).arg(source))?;
    let class = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(vec![find("java")?, "-cp".to_owned(), built.display().to_string(), class])
}

/// The interpreter itself: what stands in the path may be a script that looks for it.
fn python() -> Result<String, String> {
    let output = Command::new(find("python3")?).args(["-c", "import sys; print(sys.executable)"]).output();
    let output = output.map_err(|error| format!("python3: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn find(program: &str) -> Result<String, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.map(|path: PathBuf| path.display().to_string()).ok_or_else(|| format!("{program} is not installed"))
}
