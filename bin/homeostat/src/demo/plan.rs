//! What a demo will do, drawn from its seed: names, order, rates, runtimes. No detector knows any of it.

/// A seeded generator (SplitMix64): the same seed draws the same plan on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number in 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number between `low` and `high`, every order of magnitude equally likely.
    fn log_between(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.unit())
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for index in (1..list.len()).rev() {
            list.swap(index, self.below(index + 1));
        }
    }
}

/// The five faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    MemoryLeak,
    Deadlock,
    CpuHog,
    DescriptorLeak,
    CrashLoop,
}

impl Fault {
    const ALL: [Self; 5] =
        [Self::MemoryLeak, Self::Deadlock, Self::CpuHog, Self::DescriptorLeak, Self::CrashLoop];

    /// The word in orders and reports.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::MemoryLeak => "memory_leak",
            Self::Deadlock => "deadlock",
            Self::CpuHog => "cpu_hog",
            Self::DescriptorLeak => "descriptor_leak",
            Self::CrashLoop => "crash_loop",
        }
    }

    /// The kinds of incident that name this fault rightly. A lock without an owner in its memory can only be
    /// called stalled.
    pub(crate) const fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Deadlock => &["deadlock", "stalled"],
            Self::MemoryLeak => &["memory_leak"],
            Self::CpuHog => &["cpu_hog"],
            Self::DescriptorLeak => &["descriptor_leak"],
            Self::CrashLoop => &["crash_loop"],
        }
    }
}

/// In what a service is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// C with pthreads.
    C,
    /// Rust with its standard library.
    Rust,
}

/// One service and what befalls it.
#[derive(Clone, Debug)]
pub(crate) struct Victim {
    pub name: String,
    pub runtime: Runtime,
    pub fault: Fault,
    /// Bytes or descriptors a second, threads, seconds of a lease; nothing for a deadlock.
    pub amount: f64,
    /// When it is injected, from the start of the demo. Unit: s.
    pub inject_at_s: f64,
}

/// The whole demo.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub victims: Vec<Victim>,
    /// A service without a fault whose client feels the hog.
    pub bystander: String,
    /// A service that is noisy and innocent.
    pub neighbour: String,
}

const FIRST: &[&str] = &[
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "jade", "koala", "lotus",
];
const SECOND: &[&str] =
    &["api", "auth", "cart", "feed", "index", "mail", "queue", "relay", "search", "store", "tiles", "vault"];

/// Everything is healthy for so long first: what is normal must be seen before it changes. Unit: s.
const HEALTHY_S: f64 = 18.0;

/// Time from one injection to the next. Unit: s.
const STAGGER_S: f64 = 3.0;

/// Draws the plan of `seed` for a machine with `cpus`.
pub(crate) fn draw(seed: u64, cpus: usize) -> Plan {
    let mut draw = Draw::new(seed);
    let mut names = Vec::new();
    while names.len() < Fault::ALL.len() + 2 {
        let name = format!("{}-{}", FIRST[draw.below(FIRST.len())], SECOND[draw.below(SECOND.len())]);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (bystander, neighbour) = (names.remove(0), names.remove(0));
    let mut faults = Fault::ALL;
    draw.shuffle(&mut faults);
    let victims = faults.into_iter().zip(names).enumerate().map(|(index, (fault, name))| Victim {
        name,
        fault,
        runtime: if draw.below(2) == 0 { Runtime::C } else { Runtime::Rust },
        amount: amount(&mut draw, fault, cpus),
        inject_at_s: HEALTHY_S + STAGGER_S * index as f64,
    });
    Plan { victims: victims.collect(), bystander, neighbour }
}

/// How bad: rates over two decades.
fn amount(draw: &mut Draw, fault: Fault, cpus: usize) -> f64 {
    match fault {
        Fault::MemoryLeak => draw.log_between(0.3e6, 30e6),
        Fault::DescriptorLeak => draw.log_between(1.0, 100.0),
        Fault::CpuHog => (cpus * (2 + draw.below(3))) as f64,
        Fault::CrashLoop => 3.0 + 4.0 * draw.unit(),
        Fault::Deadlock => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_one_plan_and_another_seed_another() {
        assert_eq!(format!("{:?}", draw(7, 2)), format!("{:?}", draw(7, 2)));
        assert_ne!(format!("{:?}", draw(7, 2)), format!("{:?}", draw(8, 2)));
    }

    #[test]
    fn every_plan_has_every_fault_once_and_seven_names() {
        for seed in 0..200 {
            let plan = draw(seed, 2);
            let mut words = plan.victims.iter().map(|one| one.fault.word()).collect::<Vec<_>>();
            words.sort_unstable();
            assert_eq!(words, ["cpu_hog", "crash_loop", "deadlock", "descriptor_leak", "memory_leak"]);
            let mut names = plan.victims.iter().map(|one| &one.name).collect::<Vec<_>>();
            names.extend([&plan.bystander, &plan.neighbour]);
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 7);
        }
    }

    #[test]
    fn rates_span_two_decades() {
        let rates =
            (0..500).flat_map(|seed| draw(seed, 2).victims).filter(|one| one.fault == Fault::MemoryLeak);
        let rates = rates.map(|one| one.amount).collect::<Vec<_>>();
        let low = rates.iter().copied().fold(f64::MAX, f64::min);
        let high = rates.iter().copied().fold(0.0, f64::max);
        assert!(high / low > 50.0, "{low} to {high}");
    }
}
