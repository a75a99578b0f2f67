//! On-line template miner: log lines to template numbers, in the manner of Drain (He and others, ICWS 2017).
//!
//! Lines of the same number of words and the same first constant word compete for the template they share most words
//! with; words that differ become wild cards. Words that hold a digit are wild from the start.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Words of a line that are looked at; the rest is taken as text.
const MAX_WORDS: usize = 64;
/// Templates kept; afterwards unknown lines share template 0.
const MAX_TEMPLATES: usize = 4096;
/// Share of equal words that makes a line belong to a template.
const SIMILAR: f64 = 0.5;
/// Mark of a wild word.
const WILD: u64 = 0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Template {
    words: Vec<u64>,
    text: Vec<String>,
}

/// All templates of one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Miner {
    bound: usize,
    templates: Vec<Template>,
    groups: BTreeMap<(u32, u64), Vec<u32>>,
}

/// What a line was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Template number from 1; 0 stands for all lines that found no room.
    pub template: u32,
    /// Whether the template was made for this line.
    pub new: bool,
}

impl Default for Miner {
    fn default() -> Self {
        Self::bounded(MAX_TEMPLATES)
    }
}

impl Miner {
    /// A miner that keeps at most so many templates; lines beyond share template 0.
    pub fn bounded(bound: usize) -> Self {
        Self { bound, templates: Vec::new(), groups: BTreeMap::new() }
    }

    /// The template of a line, which may change to fit it.
    pub fn parse(&mut self, line: &str) -> Parsed {
        let mut words = [WILD; MAX_WORDS];
        let mut count = 0;
        for word in line.split_ascii_whitespace().take(MAX_WORDS) {
            words[count] = hash(word);
            count += 1;
        }
        let words = &words[..count];
        let first = words.iter().copied().find(|w| *w != WILD).unwrap_or(WILD);
        let key = (count as u32, first);
        match self.best(key, words) {
            Some(index) => {
                generalise(&mut self.templates[index as usize], words);
                Parsed { template: index + 1, new: false }
            }
            None => self.create(key, words, line),
        }
    }

    /// The words of a template, `<*>` for wild ones.
    pub fn text(&self, template: u32) -> Option<String> {
        let template = self.templates.get(template.checked_sub(1)? as usize)?;
        let shown =
            template.words.iter().zip(&template.text).map(|(w, t)| if *w == WILD { "<*>" } else { t });
        Some(shown.collect::<Vec<_>>().join(" "))
    }

    /// Number of templates.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether no line was parsed yet.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    fn best(&self, key: (u32, u64), words: &[u64]) -> Option<u32> {
        let mut best = (0, None);
        for &index in self.groups.get(&key)? {
            let template = &self.templates[index as usize];
            let equal = template.words.iter().zip(words).filter(|(a, b)| a == b).count();
            if equal > best.0 || best.1.is_none() {
                best = (equal, Some(index));
            }
        }
        best.1.filter(|_| best.0 as f64 >= SIMILAR * words.len() as f64)
    }

    fn create(&mut self, key: (u32, u64), words: &[u64], line: &str) -> Parsed {
        if self.templates.len() >= self.bound {
            return Parsed { template: 0, new: false };
        }
        let text = line.split_ascii_whitespace().take(MAX_WORDS).map(ToString::to_string).collect();
        self.templates.push(Template { words: words.to_vec(), text });
        let template = self.templates.len() as u32;
        self.groups.entry(key).or_default().push(template - 1);
        Parsed { template, new: true }
    }
}

fn generalise(template: &mut Template, words: &[u64]) {
    template.words.iter_mut().zip(words).filter(|(a, b)| a != b).for_each(|(a, _)| *a = WILD);
}

/// FNV-1a of a word, never `WILD` unless it holds a digit.
fn hash(word: &str) -> u64 {
    let mut h = 0xCBF2_9CE4_8422_2325_u64;
    for byte in word.bytes() {
        if byte.is_ascii_digit() {
            return WILD;
        }
        h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    h | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_values_share_a_template() {
        let mut miner = Miner::default();
        let first = miner.parse("Accepted publickey for alice from 10.0.0.1 port 52144");
        let second = miner.parse("Accepted publickey for bob from 10.9.0.7 port 1022");
        assert_eq!((first.template, first.new, second.template, second.new), (1, true, 1, false));
        assert_eq!(miner.text(1).unwrap(), "Accepted publickey for <*> from <*> port <*>");
        assert!(miner.parse("Connection closed by 10.0.0.1").new);
        assert_eq!(miner.len(), 2);
    }

    #[test]
    fn the_number_of_templates_is_bounded() {
        let mut miner = Miner::default();
        let letters = |mut i: usize| -> String {
            let mut out = String::new();
            (0..6).for_each(|_| {
                out.push((b'a' + (i % 26) as u8) as char);
                i /= 26;
            });
            out
        };
        (0..MAX_TEMPLATES + 50).for_each(|i| {
            miner.parse(&letters(i));
        });
        assert_eq!(miner.len(), MAX_TEMPLATES);
        assert_eq!(miner.parse("zzzzzz").template, 0);
    }
}
