//! `homeostat model`: what was learnt, as a file: `export` and `import` over the daemon, `quantize` and `distill` on the
//! file alone, with what they lose.
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cycle::models::{Loss, PARCEL_BYTES_MAX, Parcel, decode_parcel, encode_parcel};
use serde_json::{Value as Json, json};

use super::context::Context;
use crate::error::{Exit, UserError, words};
use crate::hex;
use crate::output::{Column, Format, Style};

/// Take what was learnt to another machine, or make it smaller.
#[derive(Subcommand)]
pub enum Model {
    /// Write what is known of one service, program or other entity, or of all, to a file
    Export(Export),
    /// Take in what such a file knows; it replaces what is known of the same entities
    Import {
        /// File that `model export` wrote
        file: PathBuf,
    },
    /// Hold the histories of heavy models in a byte a value
    Quantize(Smaller),
    /// Leave heavy models behind; the light ones learn what those hold for usual
    Distill(Smaller),
}

/// What to write where.
#[derive(Args)]
pub struct Export {
    /// File to write
    file: PathBuf,
    /// Name of a service, program, cgroup, disk or interface; `machine`; all if none is given
    name: Option<String>,
}

/// From which file to which.
#[derive(Args)]
pub struct Smaller {
    /// File that `model export` wrote
    file: PathBuf,
    /// File to write
    to: PathBuf,
}

const COLUMNS: [Column; 8] = [
    Column { field: "name", title: "model", style: Style::Plain },
    Column { field: "bytes_before", title: "bytes", style: Style::Plain },
    Column { field: "bytes_after", title: "become", style: Style::Plain },
    Column { field: "samples", title: "samples", style: Style::Plain },
    Column { field: "mean_difference", title: "mean difference", style: Style::Plain },
    Column { field: "strange", title: "strange", style: Style::Plain },
    Column { field: "kept", title: "still", style: Style::Plain },
    Column { field: "added", title: "new", style: Style::Plain },
];

/// Does it.
///
/// # Errors
/// A file cannot be read, written or used, no daemon answers, or it refuses.
pub fn run(order: &Model, context: &mut Context) -> Result<Exit, UserError> {
    match order {
        Model::Export(args) => export(args, context)?,
        Model::Import { file } => import(file, context)?,
        Model::Quantize(args) => smaller(args, context, Parcel::quantize)?,
        Model::Distill(args) => smaller(args, context, Parcel::distill)?,
    }
    Ok(Exit::Ok)
}

fn export(args: &Export, context: &mut Context) -> Result<(), UserError> {
    let answer = context.daemon()?.post("/api/model", &json!({"export": args.name}))?;
    let bytes = answer["models"].as_str().and_then(hex::decode).ok_or_else(|| {
        UserError::new(
            "the daemon's answer holds no models",
            "`homeostat status` tells whether it is of this version",
        )
    })?;
    write(&args.file, &bytes)?;
    let count = |of: &str| answer[of].as_u64().unwrap_or_default();
    let (entities, programs) = (count("entities"), count("programs"));
    match context.out.format() {
        Format::Json => {
            let size = bytes.len();
            let said = json!({"file": args.file, "entities": entities, "programs": programs, "bytes": size});
            context.out.object(&said)?
        }
        _ => context.out.line(&format!(
            "`{}` holds what is known of {entities} entities and of the calls of {programs} programs in {} bytes",
            args.file.display(),
            bytes.len()
        ))?,
    }
    Ok(())
}

fn import(file: &Path, context: &mut Context) -> Result<(), UserError> {
    let (bytes, _) = read(file)?;
    let source = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let order = json!({"import": {"source": source, "models": hex::encode(&bytes)}});
    let answer = context.daemon()?.post("/api/model", &order)?;
    match context.out.format() {
        Format::Json => context.out.object(&answer)?,
        _ => context.out.line(&format!(
            "taken in: what `{source}` knows of {} entities and of the calls of {} programs; `homeostat sql \"SELECT * FROM models\"` shows it",
            answer["entities"], answer["programs"]
        ))?,
    }
    if let Some(left_out @ 1..) = answer["left_out"].as_u64() {
        context
            .remark(&format!("the calls of {left_out} programs are of another kind of processor: left out"));
    }
    Ok(())
}

fn smaller(
    args: &Smaller,
    context: &mut Context,
    how: fn(&mut Parcel) -> Vec<Loss>,
) -> Result<(), UserError> {
    let (before, mut parcel) = read(&args.file)?;
    let losses = how(&mut parcel);
    let after = encode_parcel(&parcel);
    write(&args.to, &after)?;
    let rows = losses.iter().map(object).collect::<Vec<_>>();
    match context.out.format() {
        Format::Json => {
            let sizes = (before.len(), after.len());
            context.out.object(&json!({"bytes_before": sizes.0, "bytes_after": sizes.1, "models": rows}))?;
        }
        _ if rows.is_empty() => context.remark("no entity in it has a heavy model: nothing became smaller"),
        _ => {
            context.out.records(&COLUMNS, &rows)?;
            context.out.finish()?;
            context.remark(&format!(
                "\n{} bytes became {}; strange: of the samples remembered, those at most as likely as one in a hundred",
                before.len(),
                after.len()
            ));
        }
    }
    Ok(())
}

fn object(loss: &Loss) -> Json {
    json!({
        "name": loss.name, "bytes_before": loss.bytes.0, "bytes_after": loss.bytes.1, "samples": loss.samples,
        "mean_difference": loss.mean_difference.map(|one| (one * 1e4).round() / 1e4), "strange": loss.strange, "kept": loss.kept,
        "added": loss.added,
    })
}

/// The bytes of a file of models, and what they say.
fn read(file: &Path) -> Result<(Vec<u8>, Parcel), UserError> {
    let cannot = |error: &std::io::Error| {
        let what = format!("cannot read `{}`: {}", file.display(), words(error));
        UserError::new(what, "`homeostat model export FILE` writes one")
    };
    let mut bytes = Vec::new();
    let limit = PARCEL_BYTES_MAX as u64 + 1;
    let opened = File::open(file).map_err(|error| cannot(&error))?;
    opened.take(limit).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    let parcel = decode_parcel(&bytes).map_err(|error| {
        let what = format!("the models in `{}` cannot be used: {error}", file.display());
        UserError::new(
            what,
            "`homeostat model export FILE` writes one that can be taken in by the same version",
        )
    })?;
    Ok((bytes, parcel))
}

/// Writes a file that only its owner reads: it says what runs here.
fn write(file: &Path, bytes: &[u8]) -> Result<(), UserError> {
    let cannot = |error: std::io::Error| {
        UserError::new(
            format!("cannot write `{}`: {}", file.display(), words(&error)),
            "name a file you may write",
        )
    };
    let mut to = File::options();
    let to = to.write(true).create(true).truncate(true).mode(0o600).open(file);
    to.and_then(|mut to| to.write_all(bytes)).map_err(cannot)
}
