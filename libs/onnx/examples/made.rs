//! Writes small models for a series into a folder: `made DIR SERIES`, DIR as STATE/models/onnx.
use std::path::Path;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, series] = &words[..] else {
        eprintln!("usage: made DIR SERIES");
        return Ok(());
    };
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder)?;
    let models = [
        ("distance", onnx::kit::distance(60), "score"),
        ("last", onnx::kit::last(8), "forecast"),
        ("slow", onnx::kit::slow(1_500), "score"),
        ("large", onnx::kit::large(4_096), "score"),
        ("no-number", onnx::kit::no_number(8), "score"),
    ];
    for (name, model, gives) in models {
        std::fs::write(folder.join(format!("{name}.onnx")), model)?;
        let text = format!("series = \"{series}\"\ngives = \"{gives}\"\n");
        std::fs::write(folder.join(format!("{name}.toml")), text)?;
    }
    Ok(())
}
