//! Small models in the ONNX format, written by hand: no tool is needed to make them.
//!
//! Source: onnx.proto3. A field is its number and kind in a byte or two, then a varint or a length and bytes.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn inner(self, field: u64, inner: Self) -> Self {
        self.bytes(field, &inner.0)
    }
}

/// A step of a model: its operation, what it takes, what it makes; each makes what the next one takes.
type Step<'a> = (&'a str, &'a [&'a str], &'a str);

/// A tensor that is part of the model.
fn constant(name: &str, kind: u64, shape: &[usize], raw: &[u8]) -> Message {
    let dims = shape.iter().fold(Message::default(), |message, size| message.number(1, *size as u64));
    dims.number(2, kind).bytes(8, name.as_bytes()).bytes(9, raw)
}

fn tensor(name: &str, shape: &[usize]) -> Message {
    let dims = shape.iter().fold(Message::default(), |message, size| {
        message.inner(1, Message::default().number(1, *size as u64))
    });
    let kind = Message::default().inner(1, Message::default().number(1, FLOAT).inner(2, dims));
    Message::default().bytes(1, name.as_bytes()).inner(2, kind)
}

/// A model from `x`, [1, window], to `y` of that shape.
fn model(window: usize, steps: &[Step<'_>], constants: Vec<Message>, shape: &[usize]) -> Vec<u8> {
    let mut graph = Message::default();
    for (operation, takes, makes) in steps {
        let node = takes.iter().fold(Message::default(), |node, name| node.bytes(1, name.as_bytes()));
        let node = node.bytes(2, makes.as_bytes()).bytes(4, operation.as_bytes());
        // ReduceMax of all, to a number without a shape.
        let flat = Message::default().bytes(1, b"keepdims").number(3, 0).number(20, 2);
        graph = graph.inner(1, if *operation == "ReduceMax" { node.inner(5, flat) } else { node });
    }
    graph = graph.bytes(2, b"made");
    graph = constants.into_iter().fold(graph, |graph, one| graph.inner(5, one));
    graph = graph.inner(11, tensor("x", &[1, window])).inner(12, tensor("y", shape));
    let opset = Message::default().bytes(1, b"").number(2, 13);
    Message::default().number(1, 8).inner(7, graph).inner(8, opset).0
}

fn weights(values: impl Iterator<Item = f32>, window: usize) -> Message {
    let raw: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    constant("w", FLOAT, &[window, 1], &raw)
}

/// How far the last value lies from the mean of those before.
pub fn distance(window: usize) -> Vec<u8> {
    let before = -1.0 / (window as f32 - 1.0);
    let w = weights((1..=window).map(|at| if at == window { 1.0 } else { before }), window);
    model(window, &[("MatMul", &["x", "w"], "d"), ("Abs", &["d"], "y")], vec![w], &[1, 1])
}

/// The last value: what comes next if nothing changes.
pub fn last(window: usize) -> Vec<u8> {
    let w = weights((1..=window).map(|at| f32::from(u8::from(at == window))), window);
    model(window, &[("MatMul", &["x", "w"], "y")], vec![w], &[1, 1])
}

/// No number, whatever it is asked.
pub fn no_number(window: usize) -> Vec<u8> {
    let w = weights((0..window).map(|_| 1.0), window);
    let steps: [Step<'_>; 4] =
        [("MatMul", &["x", "w"], "d"), ("Exp", &["d"], "e"), ("Neg", &["e"], "n"), ("Log", &["n"], "y")];
    model(window, &steps, vec![w], &[1, 1])
}

/// The square of a window times itself: as the cube of it in time.
pub fn slow(window: usize) -> Vec<u8> {
    let steps: [Step<'_>; 4] = [
        ("Transpose", &["x"], "t"),
        ("MatMul", &["t", "x"], "m"),
        ("MatMul", &["m", "m"], "q"),
        ("ReduceMax", &["q"], "y"),
    ];
    model(window, &steps, Vec::new(), &[])
}

/// A window a hundred thousand times over: far more than any memory it is given, from a window of a few thousand.
pub fn large(window: usize) -> Vec<u8> {
    let raw: Vec<u8> = [100_000, window as i64].into_iter().flat_map(i64::to_le_bytes).collect();
    let steps: [Step<'_>; 2] = [("Expand", &["x", "s"], "e"), ("ReduceMax", &["e"], "y")];
    model(window, &steps, vec![constant("s", INT64, &[2], &raw)], &[])
}

/// As many numbers as it is given.
pub fn many(window: usize) -> Vec<u8> {
    model(window, &[("Abs", &["x"], "y")], Vec::new(), &[1, window])
}
