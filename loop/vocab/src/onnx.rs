//! Models in the ONNX format that a person put beside the learnt ones: what learn wishes of them, and what came of it.
//!
//! Learn thinks without them: a wish leaves with one turn, and what a model says is part of a later sample.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// One file, as its folder and the run-time have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnnxFile {
    /// Its name, without `.onnx`.
    pub name: Arc<str>,
    /// The series it is about: `machine.cpu_busy_pct`, `service:nginx.cpu_pct`.
    pub series: Arc<str>,
    /// Whether it says what the next value will be; else how strange the window is.
    pub forecasts: bool,
    /// Size of the file. Unit: bytes.
    pub size_bytes: u64,
    /// Values it is asked with; `None` while it is not loaded.
    pub window: Option<u32>,
    /// Why it is not used any more, until the file changes.
    pub refusal: Option<String>,
}

/// What a loaded model is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnnxAsk {
    /// Which.
    pub name: Arc<str>,
    /// The turn of the last value.
    pub turn: u64,
    /// The last values of the series, oldest first, in the unit of its column.
    pub values: Vec<f32>,
}

/// What learn wishes with one turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OnnxWishes {
    /// The models that may be loaded; others are to be unloaded.
    pub load: Vec<Arc<str>>,
    /// What they are asked.
    pub ask: Vec<OnnxAsk>,
}

/// What a model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnnxScore {
    /// Which.
    pub name: Arc<str>,
    /// The turn of the last value it was asked with.
    pub turn: u64,
    /// How strange, or the next value; a number.
    pub value: f32,
}

/// What came since the last tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OnnxSample {
    /// The files there are, in order of name, when that changed and once a minute.
    pub files: Option<Vec<OnnxFile>>,
    /// Why none can be run, said with the files.
    pub trouble: Option<String>,
    /// What they said.
    pub scores: Vec<OnnxScore>,
}
