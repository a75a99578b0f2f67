//! Half-space trees (Tan, Ting and Liu, 2011) on the last eight values: 25 trees of depth 8, windows of 256.
use learning::rng::Rng;

const TREES: usize = 25;
const NODES: usize = (1 << 9) - 1;
const SHINGLE: usize = 8;
const WINDOW: usize = 256;

struct Tree {
    dimension: Vec<usize>,
    cut: Vec<f64>,
    reference: Vec<f64>,
    latest: Vec<f64>,
}

/// Scores of a whole series, high where few came before; 0 until the first window is full. Causal.
pub fn scores(values: &[f64]) -> Vec<f64> {
    let mut rng = Rng::new(1);
    let mut trees: Vec<Tree> = (0..TREES).map(|_| Tree::grow(&mut rng)).collect();
    let (mut mean, mut variance) = (values.first().copied().unwrap_or(0.0), 0.0f64);
    let mut out = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        let rate = (1.0 / (i as f64 + 2.0)).max(0.001);
        let deviation = value - mean;
        mean += rate * deviation;
        variance = (1.0 - rate) * (variance + rate * deviation * deviation);
        let unit = 8.0 * variance.sqrt().max(1e-9);
        let place = |k: usize| ((values[i.saturating_sub(k)] - mean) / unit + 0.5).clamp(-0.5, 1.5);
        let point: [f64; SHINGLE] = std::array::from_fn(place);
        let mass: f64 = trees.iter_mut().map(|t| t.visit(&point)).sum();
        out.push(if i >= WINDOW { 40.0 - (mass / TREES as f64 + 1.0).log2() } else { 0.0 });
        if (i + 1) % WINDOW == 0 {
            trees.iter_mut().for_each(Tree::turn);
        }
    }
    out
}

impl Tree {
    fn grow(rng: &mut Rng) -> Self {
        let mut boxes = vec![[(0.0, 1.0); SHINGLE]; NODES];
        for side in &mut boxes[0] {
            let centre = rng.unit();
            let half = 2.0 * centre.max(1.0 - centre);
            *side = (centre - half, centre + half);
        }
        let (mut dimension, mut cut) = (vec![0; NODES], vec![0.0; NODES]);
        for node in 0..NODES {
            let k = (rng.unit() * SHINGLE as f64) as usize;
            (dimension[node], cut[node]) = (k, (boxes[node][k].0 + boxes[node][k].1) / 2.0);
            if 2 * node + 2 < NODES {
                boxes[2 * node + 1] = boxes[node];
                boxes[2 * node + 1][k].1 = cut[node];
                boxes[2 * node + 2] = boxes[node];
                boxes[2 * node + 2][k].0 = cut[node];
            }
        }
        Tree { dimension, cut, reference: vec![0.0; NODES], latest: vec![0.0; NODES] }
    }

    /// Counts the point and returns the reference mass at its first sparse node, weighted by depth.
    fn visit(&mut self, point: &[f64; SHINGLE]) -> f64 {
        let (mut node, mut depth, mut mass) = (0, 0u32, None);
        loop {
            self.latest[node] += 1.0;
            let leaf = 2 * node + 2 >= NODES;
            if mass.is_none() && (leaf || self.reference[node] < 0.02 * WINDOW as f64) {
                mass = Some(self.reference[node] * f64::from(1u32 << depth));
            }
            if leaf {
                return mass.unwrap_or(0.0);
            }
            node = 2 * node + 1 + usize::from(point[self.dimension[node]] >= self.cut[node]);
            depth += 1;
        }
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.reference, &mut self.latest);
        self.latest.fill(0.0);
    }
}
