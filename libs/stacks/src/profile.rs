//! What a look at the stacks of a process found. Read [`Profile`] first.
use std::fmt;
use std::str::FromStr;

use crate::names::is_runtime;

/// What is asked of the stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Where it uses CPU time.
    OnCpu,
    /// Where its threads wait, over a time.
    OffCpu,
    /// Where it touches memory for the first time that it then keeps.
    MemoryGrowth,
    /// Whose allocations it keeps.
    MemoryKept,
    /// Where each of its threads waits now.
    Waiting,
}

impl Kind {
    /// Every one of them.
    pub const ALL: [Self; 5] =
        [Self::OnCpu, Self::OffCpu, Self::MemoryGrowth, Self::MemoryKept, Self::Waiting];

    /// The word: `on_cpu`, `off_cpu`, `memory_growth`, `memory_kept`, `waiting`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnCpu => "on_cpu",
            Self::OffCpu => "off_cpu",
            Self::MemoryGrowth => "memory_growth",
            Self::MemoryKept => "memory_kept",
            Self::Waiting => "waiting",
        }
    }

    /// What the weight of a stack is counted in.
    pub const fn unit(self) -> Unit {
        match self {
            Self::OnCpu | Self::OffCpu => Unit::Microseconds,
            Self::MemoryGrowth | Self::MemoryKept => Unit::Bytes,
            Self::Waiting => Unit::Threads,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|one| one.as_str() == word).ok_or(())
    }
}

/// What the weight of a stack is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of CPU time, or of time waited by all threads together.
    Microseconds,
    /// Of memory.
    Bytes,
    /// How many stand there.
    Threads,
}

impl Unit {
    /// The word: `us`, `bytes`, `threads`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microseconds => "us",
            Self::Bytes => "bytes",
            Self::Threads => "threads",
        }
    }
}

/// One call on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function, demangled; `file+0x…` where the file does not name it.
    pub name: String,
    /// The last part of the path of the file with its code.
    pub file: String,
    /// Whether its file names it.
    pub is_named: bool,
}

impl Frame {
    /// The outermost one of a thread that holds a lock for which others wait.
    pub(crate) fn holder(waiters: u64) -> Self {
        let name = format!("[holds a lock that {waiters} wait for]");
        Self { name, file: "[kernel]".to_owned(), is_named: true }
    }

    /// What [`Frame::holder`] made says.
    fn waiters(&self) -> Option<u32> {
        self.name.strip_prefix("[holds a lock that ")?.split(' ').next()?.parse().ok()
    }

    fn is_interpreted(&self) -> bool {
        self.name.starts_with("py::") || self.name.starts_with("[python")
    }

    /// Whether it belongs to an allocator, a C library or the run-time of a language, and so says nothing of the
    /// program.
    pub fn is_runtime(&self) -> bool {
        is_runtime(&self.name, &self.file)
    }
}

/// One stack and how much of the whole it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its frames, innermost first.
    pub frames: Vec<Frame>,
    /// How much, in the unit of its kind.
    pub weight: u64,
    /// Threads that were seen there, at most eight, in order.
    pub threads: Vec<u32>,
}

impl Stack {
    /// Threads that wait for a lock which the thread of this stack holds, where it is known to hold one.
    pub fn waiters(&self) -> Option<u32> {
        self.frames.last().and_then(Frame::waiters)
    }

    /// Its functions from the outermost on, joined by `;`: the form that flame graphs are drawn from.
    pub fn folded(&self) -> String {
        let names = self.frames.iter().rev().map(|frame| frame.name.as_str());
        names.collect::<Vec<_>>().join(";")
    }

    /// The innermost function of the program itself that has a name, else the innermost place in it, if there is one.
    pub fn function(&self) -> Option<&Frame> {
        let named = self.own().find(|frame| frame.is_named);
        named.or_else(|| self.own().next())
    }

    /// That function and its callers that have names, innermost first; before it, where it has none itself, the place.
    pub fn path(&self) -> impl Iterator<Item = &Frame> {
        self.own().enumerate().filter(|(at, frame)| *at == 0 || frame.is_named).map(|(_, frame)| frame)
    }

    /// What an interpreter does for an interpreted program is its run-time's.
    fn own(&self) -> impl Iterator<Item = &Frame> {
        let inner = self.frames.iter().position(Frame::is_interpreted).unwrap_or(0);
        self.frames.iter().skip(inner).filter(|frame| !frame.is_runtime())
    }
}

/// A function and how much of the whole happens in it and in the run-time that it calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its frame.
    pub frame: Frame,
    /// How much, in the unit of the profile.
    pub weight: u64,
}

/// Stacks of one process.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What was asked.
    pub kind: Kind,
    /// How long it was watched. Unit: s.
    pub seconds: f64,
    /// The heaviest stacks, heaviest first.
    pub stacks: Vec<Stack>,
    /// The weight of all stacks, those left out included.
    pub weight: u64,
    /// Samples that it rests on.
    pub samples: u64,
    /// Samples that could not be kept, and threads that could not be watched.
    pub lost: u64,
    /// CPU time that this process spent on it. Unit: us.
    pub cpu_us: u64,
    /// Why it ended before its time, in words.
    pub cut_short: Option<String>,
}

impl Profile {
    /// Functions of the program itself by weight, heaviest first; stacks that have none are not in it.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions: Vec<Function> = Vec::new();
        for stack in &self.stacks {
            let Some(frame) = stack.function() else { continue };
            match functions.iter_mut().find(|one| one.frame == *frame) {
                Some(one) => one.weight += stack.weight,
                None => functions.push(Function { frame: frame.clone(), weight: stack.weight }),
            }
        }
        functions.sort_by_key(|one| std::cmp::Reverse(one.weight));
        functions
    }

    /// How much of the whole a weight is, 0 to 1. Unit: ratio.
    pub fn share(&self, weight: u64) -> f64 {
        if self.weight == 0 { 0.0 } else { weight as f64 / self.weight as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &[&str], weight: u64) -> Stack {
        let frame =
            |name: &&str| Frame { name: (*name).to_owned(), file: "a.out".to_owned(), is_named: true };
        Stack { frames: names.iter().map(frame).collect(), weight, threads: vec![1] }
    }

    #[test]
    fn the_function_that_matters_is_the_program_s_own() {
        let stacks = vec![
            stack(&["malloc", "fill", "main"], 6),
            stack(&["serve", "main"], 3),
            stack(&["memset", "fill"], 2),
        ];
        let profile = Profile {
            kind: Kind::MemoryGrowth,
            seconds: 1.0,
            stacks,
            weight: 12,
            samples: 3,
            lost: 0,
            cpu_us: 0,
            cut_short: None,
        };
        let functions = profile.functions();
        assert_eq!((functions[0].frame.name.as_str(), functions[0].weight), ("fill", 8));
        assert!((profile.share(functions[1].weight) - 0.25).abs() < 1e-9);
        assert_eq!(profile.stacks[0].folded(), "main;fill;malloc");
    }

    #[test]
    fn a_place_without_a_name_is_called_by_its_caller() {
        let mut stack = stack(&["a.out+0x12", "fill", "a.out+0x34", "main"], 1);
        for at in [0, 2] {
            stack.frames[at].is_named = false;
        }
        assert_eq!(stack.function().map(|one| one.name.as_str()), Some("fill"));
        let path = stack.path().map(|one| one.name.as_str()).collect::<Vec<_>>();
        assert_eq!(path, ["a.out+0x12", "fill", "main"]);
        stack.frames.iter_mut().for_each(|frame| frame.is_named = false);
        assert_eq!(stack.function().map(|one| one.name.as_str()), Some("a.out+0x12"));
    }

    #[test]
    fn words_are_read_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("naps".parse::<Kind>(), Err(()));
    }
}
