//! How rare the recent shape of a series is: ten small random cut trees over stretches of its last 3,000 values.
//!
//! A tree is grown from 64 stretches drawn at random, each of 8 values 4 samples apart; whoever is cut off from them early
//! is rare (Guha, Mishra, Roy, Schrijvers: "Robust Random Cut Forest Based Anomaly Detection on Streams", ICML 2016). One
//! tree is grown anew every 32 samples and none is changed, so a node is 21 bytes: its box, cut and children in whole
//! steps of a 254th of the range that the tree was grown from. Where boxes lack the precision a query keeps its own.
use alloc::vec::Vec;

use super::nearest::Nearest;
use crate::rng::Rng;

/// Trees.
const TREES: usize = 10;
/// Stretches a tree is grown from.
const GROWN_FROM: usize = 64;
/// Values of a stretch, and the samples from one to the next.
const SIDES: usize = 8;
const STRIDE: usize = 4;
/// Samples a stretch covers.
const COVERS: usize = (SIDES - 1) * STRIDE + 1;
/// Samples from one new tree to the next.
const RENEW_EVERY: u32 = 32;
/// Values that must be known before there are trees.
const KNOWN_MIN: usize = COVERS + 2 * GROWN_FROM;

/// Distance in steps from which on it makes no difference.
const FAR: f32 = 1e9;

/// A stretch in whole steps.
type Point = [i8; SIDES];

#[derive(Clone, Debug, PartialEq)]
struct Node {
    low: Point,
    high: Point,
    side: u8,
    cut: i8,
    /// Places of its children; 0, which is the root, for a leaf.
    below: u8,
    above: u8,
    mass: u8,
}

/// Values are `center + step * code`.
#[derive(Clone, Debug, PartialEq)]
struct Tree {
    center: f32,
    step: f32,
    nodes: Vec<Node>,
}

/// The trees of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    trees: Vec<Tree>,
    next: usize,
    age: u32,
    rng: Rng,
}

impl Default for Forest {
    fn default() -> Self {
        Self { trees: Vec::new(), next: 0, age: 0, rng: Rng::new(64) }
    }
}

impl Forest {
    /// Bytes it holds at most.
    pub const BYTES: usize =
        size_of::<Self>() + TREES * (size_of::<Tree>() + (2 * GROWN_FROM - 1) * size_of::<Node>());

    /// How rare the newest stretch of `history` is, about 1 for a usual one; `None` while too little is known. Trees
    /// grow and are renewed on the way.
    pub fn rarity(&mut self, history: &Nearest) -> Option<f64> {
        if history.reach() < KNOWN_MIN {
            return None;
        }
        let newest = stretch(history, 1)?;
        let rarity = (!self.trees.is_empty()).then(|| {
            self.trees.iter().map(|tree| tree.rarity(&newest)).sum::<f64>() / self.trees.len() as f64
        });
        self.age += 1;
        if self.trees.len() < TREES {
            self.trees.push(Tree::grow(history, &mut self.rng)?);
        } else if self.age.is_multiple_of(RENEW_EVERY) {
            self.trees[self.next] = Tree::grow(history, &mut self.rng)?;
            self.next = (self.next + 1) % TREES;
        }
        rarity
    }
}

/// The stretch that ended `lag` samples ago.
fn stretch(history: &Nearest, lag: usize) -> Option<[f32; SIDES]> {
    let mut out = [0.0; SIDES];
    for (side, value) in out.iter_mut().enumerate() {
        *value = history.past(lag + side * STRIDE)?;
    }
    Some(out)
}

impl Tree {
    fn grow(history: &Nearest, rng: &mut Rng) -> Option<Self> {
        let ends = history.reach() - COVERS + 1;
        let mut drawn = Vec::with_capacity(GROWN_FROM);
        for _ in 0..GROWN_FROM {
            drawn.push(stretch(history, 1 + (rng.unit() * ends as f64) as usize)?);
        }
        let all = || drawn.iter().flatten().copied();
        let (low, high) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
        let center = 0.5 * (low + high);
        let step = ((high - low) / 254.0).max(1e-6 * center.abs()).max(1e-9);
        let code = |value: f32| libm::roundf((value - center) / step) as i8;
        let mut points: Vec<Point> = drawn.iter().map(|one| one.map(code)).collect();
        let mut tree = Self { center, step, nodes: Vec::with_capacity(2 * GROWN_FROM - 1) };
        tree.split(&mut points, rng);
        Some(tree)
    }

    /// Adds the node of these points and those below it; its place.
    fn split(&mut self, points: &mut [Point], rng: &mut Rng) -> u8 {
        let (mut low, mut high) = ([i8::MAX; SIDES], [i8::MIN; SIDES]);
        for point in points.iter() {
            low.iter_mut().zip(point).for_each(|(least, code)| *least = (*least).min(*code));
            high.iter_mut().zip(point).for_each(|(most, code)| *most = (*most).max(*code));
        }
        let (place, mass) = (self.nodes.len() as u8, points.len() as u8);
        self.nodes.push(Node { low, high, side: 0, cut: 0, below: 0, above: 0, mass });
        let Some((side, cut)) = cut(&low, &high, rng) else { return place };
        let mut under = 0;
        for index in 0..points.len() {
            if points[index][side] <= cut {
                points.swap(index, under);
                under += 1;
            }
        }
        let (lower, upper) = points.split_at_mut(under);
        let (below, above) = (self.split(lower, rng), self.split(upper, rng));
        let node = &mut self.nodes[usize::from(place)];
        (node.side, node.cut, node.below, node.above) = (side as u8, cut, below, above);
        place
    }

    /// The expected inverse depth at which a new cut would part this stretch from the tree, times the depth of an even one.
    fn rarity(&self, values: &[f32; SIDES]) -> f64 {
        let query = values.map(|value| (value - self.center) / self.step);
        let (mut at, mut depth, mut inside, mut sum) = (0, 1.0, 1.0, 0.0);
        loop {
            let node = &self.nodes[at];
            let parted = node.parts(&query);
            sum += inside * parted / depth;
            inside *= 1.0 - parted;
            if node.below == 0 {
                // Whoever equals what was drawn is less rare by half.
                let alike = if parted > 0.0 { 1.0 } else { 0.5 };
                sum += alike * inside / (depth + libm::log2(f64::from(node.mass)));
                return sum * libm::log2(GROWN_FROM as f64);
            }
            let is_below = query[usize::from(node.side)] <= f32::from(node.cut);
            at = usize::from(if is_below { node.below } else { node.above });
            depth += 1.0;
        }
    }
}

impl Node {
    /// Chance that a random cut of the box around these points and the query parts them.
    fn parts(&self, query: &[f32; SIDES]) -> f64 {
        let (mut within, mut beyond) = (0.0_f32, 0.0_f32);
        for ((low, high), value) in self.low.iter().zip(&self.high).zip(query) {
            let (low, high) = (f32::from(*low), f32::from(*high));
            within += high - low;
            // Half a step is not known.
            beyond += (low - value).max(value - high).clamp(0.5, FAR) - 0.5;
        }
        if beyond > 0.0 { f64::from(beyond / (within + beyond)) } else { 0.0 }
    }
}

/// A random cut, sides in proportion to their length; `None` where all points are one.
fn cut(low: &Point, high: &Point, rng: &mut Rng) -> Option<(usize, i8)> {
    let length = |(low, high): (&i8, &i8)| u64::from(high.abs_diff(*low));
    let total: u64 = low.iter().zip(high).map(length).sum();
    let mut left = (rng.unit() * total as f64) as u64;
    for (side, ends) in low.iter().zip(high).enumerate() {
        if left < length(ends) {
            return Some((side, (i16::from(*ends.0) + left as i16) as i8));
        }
        left -= length(ends);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(values: impl Iterator<Item = f64>) -> (Forest, Nearest, f64) {
        let (mut forest, mut history, mut last) = (Forest::default(), Nearest::new(), 0.0);
        for value in values {
            history.push(value);
            last = forest.rarity(&history).unwrap_or(last);
        }
        (forest, history, last)
    }

    fn wave(count: u32) -> impl Iterator<Item = f64> {
        let mut rng = Rng::new(2);
        (0..count).map(move |i| 50.0 + 20.0 * libm::sin(f64::from(i) / 20.0) + rng.normal())
    }

    #[test]
    fn a_level_in_range_of_an_odd_shape_is_rarer_than_the_usual_one() {
        let (mut forest, mut history, usual) = after(wave(4_000));
        let mut flat = 0.0;
        for _ in 0..32 {
            history.push(50.0);
            flat = forest.rarity(&history).unwrap_or_default();
        }
        let (mut forest, mut history, _) = after(wave(4_000));
        let mut beyond = 0.0;
        for _ in 0..32 {
            history.push(500.0);
            beyond = forest.rarity(&history).unwrap_or_default();
        }
        assert!(usual < flat && flat < beyond, "{usual} {flat} {beyond}");
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_said_before_there_is_a_history() {
        let (forest, _, last) = after(wave(100));
        assert!(forest.trees.is_empty() && last == 0.0);
        let (forest, ..) = after(wave(5_000));
        let held: usize = forest.trees.iter().map(|tree| tree.nodes.capacity() * size_of::<Node>()).sum();
        assert_eq!(forest.trees.len(), TREES);
        assert!(held <= Forest::BYTES && Forest::BYTES < 28 * 1024, "{held} of {}", Forest::BYTES);
    }

    #[test]
    fn a_constant_is_usual_and_odd_values_do_no_harm() {
        let (mut forest, mut history, usual) = after((0..500).map(|_| 7.0));
        assert!(usual < 1.0, "{usual}");
        for value in [1e30, -1e30, 0.0, 1e-30, 7.0] {
            history.push(value);
            let rarity = forest.rarity(&history).unwrap_or_default();
            assert!(rarity.is_finite() && rarity >= 0.0, "{value}: {rarity}");
        }
    }
}
