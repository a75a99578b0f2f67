//! One model in ONNX Runtime.
use std::path::Path;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};

use crate::WINDOW_MAX;

/// The run-time, loaded.
pub(crate) struct Runtime(Environment);

/// A model that can be asked.
pub(crate) struct Model {
    session: Session,
    window: usize,
}

impl Runtime {
    /// Loads the library.
    pub(crate) fn load(library: &Path) -> Result<Self, String> {
        let cannot = |why: &dyn std::fmt::Display| format!("{} cannot be used: {why}", library.display());
        let builder = ort::init_from(library).map_err(|error| cannot(&error))?;
        builder.with_telemetry(false).build().map(Self).map_err(|error| cannot(&error))
    }
}

impl Model {
    /// Reads a model: its one input is a window of floats, `[N]` or `[1, N]`, its one output is one float.
    pub(crate) fn load(runtime: &Runtime, bytes: &[u8]) -> Result<Self, String> {
        let session = || -> ort::Result<Session> {
            let builder = Session::builder(&runtime.0)?.with_intra_threads(1)?.with_inter_threads(1)?;
            builder.with_memory_pattern(false)?.commit_from_memory(bytes)
        };
        let session = session().map_err(|error| short(&error))?;
        let window = window_of(session.inputs())?;
        if session.outputs().len() != 1 {
            return Err(format!("it has {} outputs, one is asked for", session.outputs().len()));
        }
        Ok(Self { session, window })
    }

    /// Values it is asked with.
    pub(crate) const fn window(&self) -> usize {
        self.window
    }

    /// What it says of a window.
    pub(crate) fn score(&mut self, values: Vec<f32>) -> Result<f32, String> {
        if values.len() != self.window {
            return Err(format!("{} values were given, it takes {}", values.len(), self.window));
        }
        let is_row = matches!(self.session.inputs().first().map(Outlet::dtype),
            Some(ValueType::Tensor { shape, .. }) if shape.len() == 2);
        let shape: Vec<usize> = if is_row { vec![1, self.window] } else { vec![self.window] };
        let tensor = Tensor::from_array((shape, values)).map_err(|error| short(&error))?;
        let outputs = self.session.run(ort::inputs![tensor]).map_err(|error| short(&error))?;
        let (_, said) = outputs[0].try_extract_tensor::<f32>().map_err(|error| short(&error))?;
        match said {
            [one] if one.is_finite() => Ok(*one),
            [_] => Err("its answer is no number".to_owned()),
            _ => Err(format!("it answers with {} numbers, one is asked for", said.len())),
        }
    }
}

fn window_of(inputs: &[Outlet]) -> Result<usize, String> {
    let [input] = inputs else {
        return Err(format!("it has {} inputs, one is asked for", inputs.len()));
    };
    let shape = match input.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => shape,
        other => return Err(format!("its input is {other:?}, floats are asked for")),
    };
    let window = match shape[..] {
        [window] => window,
        [1 | -1, window] => window,
        _ => return Err(format!("its input has the shape {shape:?}, [1, N] is asked for")),
    };
    match usize::try_from(window) {
        Ok(window @ 1..=WINDOW_MAX) => Ok(window),
        _ => Err(format!("its window is {window} values, 1 to {WINDOW_MAX} are asked for")),
    }
}

/// The first line of an error: models put pages into it.
fn short(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}
