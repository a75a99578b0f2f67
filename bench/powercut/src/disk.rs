//! What a disk holds: what is durable, what is only written, and what is left of that after a cut.
use std::collections::BTreeMap;

/// What a disk writes whole or not at all. Unit: bytes.
const SECTOR: usize = 512;

/// The content of a disk.
pub(crate) struct Content {
    durable: Vec<u8>,
    /// What a read sees.
    seen: Vec<u8>,
    /// Every version of a sector since the last flush, oldest first.
    unflushed: BTreeMap<usize, Vec<[u8; SECTOR]>>,
}

impl Content {
    /// A disk that was switched off properly.
    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self { durable: image.clone(), seen: image, unflushed: BTreeMap::new() }
    }

    /// Size. Unit: bytes.
    pub(crate) fn len(&self) -> u64 {
        self.seen.len() as u64
    }

    pub(crate) fn read(&self, at: u64, length: usize) -> &[u8] {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.seen.len());
        &self.seen[from..from.saturating_add(length).min(self.seen.len())]
    }

    /// Takes a write; `false` where it goes beyond the end.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Some((from, to)) =
            usize::try_from(at).ok().and_then(|at| Some((at, at.checked_add(bytes.len())?)))
        else {
            return false;
        };
        let Some(place) = self.seen.get_mut(from..to) else { return false };
        place.copy_from_slice(bytes);
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let now = self.seen[sector * SECTOR..].first_chunk();
            self.unflushed.entry(sector).or_default().extend(now);
        }
        true
    }

    /// Makes everything durable.
    pub(crate) fn flush(&mut self) {
        for sector in std::mem::take(&mut self.unflushed).into_keys() {
            let bytes = sector * SECTOR..(sector + 1) * SECTOR;
            self.durable[bytes.clone()].copy_from_slice(&self.seen[bytes]);
        }
    }

    /// What is left after a cut: of every sector that was not flushed any version it had, or the one before. How much
    /// is dropped differs from cut to cut: all, nothing, or a share.
    pub(crate) fn cut(&self, seed: u64) -> Vec<u8> {
        let mut random = Random(seed);
        let dropped_pct = [0, 5, 50, 95, 100][random.below(5)];
        let mut left = self.durable.clone();
        for (sector, versions) in &self.unflushed {
            if random.below(100) < dropped_pct {
                continue;
            }
            // Mostly the last; a disk may also have reordered two writes of the same place and lost one.
            let version =
                if random.below(4) == 0 { random.below(versions.len()) } else { versions.len() - 1 };
            left[sector * SECTOR..][..SECTOR].copy_from_slice(&versions[version]);
        }
        left
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_flushed_stays_and_the_rest_may_go() {
        let mut disk = Content::new(vec![0; 8 * SECTOR]);
        assert!(disk.write(0, &[1; 2 * SECTOR]) && !disk.write(8 * SECTOR as u64 - 1, &[1; 2]));
        disk.flush();
        assert!(disk.write(SECTOR as u64, &[2; 4 * SECTOR]) && disk.write(700, &[3; 10]));
        let cuts: Vec<Vec<u8>> = (0..200).map(|seed| disk.cut(seed)).collect();
        assert!(
            cuts.iter().all(|left| left[..SECTOR] == [1; SECTOR] && left[5 * SECTOR..] == [0; 3 * SECTOR])
        );
        let is_any = |found: &dyn Fn(&Vec<u8>) -> bool| cuts.iter().any(found);
        // The sector that was written twice: as flushed, as written once, as seen.
        for version in [1_u8, 2, 3] {
            assert!(is_any(&|left| left[705] == version), "{version}");
        }
        assert!(is_any(&|left| left[2 * SECTOR] == 0 && left[3 * SECTOR] == 2), "part of a write");
        assert_eq!(disk.read(705, 1), [3]);
    }
}
