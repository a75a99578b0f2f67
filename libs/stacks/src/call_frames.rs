//! The call frame information of one function at a time, found by the index that a file has of it.
//!
//! Of a large program the information of all functions is tens of megabytes; a stack needs that of some hundred.
use std::ops::Range;

use crate::image::Image;
use crate::space::Module;

/// The encoding of an index that linkers write: 32-bit offsets, sorted, each start with its entry.
const USUAL: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
/// Longest entry that is read, and the longest section that is read whole where no index says what is where. Unit: bytes.
const ENTRY_BYTES_MAX: u32 = 16 << 10;
const WHOLE_BYTES_MAX: u64 = 256 << 10;
/// The section, and its index.
const FRAMES: &str = ".eh_frame";
const INDEX: &str = ".eh_frame_hdr";

/// Call frame information, as a section of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallFrames {
    /// The code that it may tell of, by addresses that the file states.
    pub(crate) code: Range<u64>,
    /// The address of its first byte.
    pub(crate) address: u64,
    /// A head, the entries that refer to it, an end.
    pub(crate) bytes: Vec<u8>,
}

/// A line of the index.
struct Line {
    start: u64,
    entry: u64,
    /// Where the next function starts.
    end: u64,
}

impl CallFrames {
    /// What `image` has for the code at `address`, which the file states; `None` where it has nothing, or nothing that
    /// can be read.
    pub(crate) fn of(image: &Image, address: u64) -> Option<Self> {
        if !is_usual(image) {
            return Self::whole(image);
        }
        let line = line(image, address)?;
        let (entry, head_at) = entry(image, line.entry)?;
        let (head, _) = self::entry(image, head_at)?;
        let mut bytes = head;
        // The entry says how far before this word its head stands.
        let distance = u32::try_from(bytes.len()).ok()? + 4;
        bytes.extend_from_slice(entry.get(..4)?);
        bytes.extend_from_slice(&distance.to_le_bytes());
        bytes.extend_from_slice(entry.get(8..)?);
        // The entry itself stays where it was: addresses in it are relative to their own place.
        let address = line.entry.checked_sub(u64::from(distance) - 4)?;
        bytes.extend_from_slice(&[0; 4]);
        Some(Self { code: line.start..line.end, address, bytes })
    }

    /// The code that it tells of, where the process has it mapped; `None` where `address` is none of it.
    pub(crate) fn within(&self, module: &Module, address: u64) -> Option<Range<u64>> {
        let mapped = |stated: u64| stated.checked_add(module.bias);
        let start = mapped(self.code.start).map_or(module.start, |start| start.max(module.start));
        let end = mapped(self.code.end).map_or(module.end, |end| end.min(module.end));
        Some(start..end).filter(|range| range.contains(&address))
    }

    /// All of a small file.
    fn whole(image: &Image) -> Option<Self> {
        let range = image.section_range(FRAMES).filter(|one| one.end - one.start <= WHOLE_BYTES_MAX)?;
        let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
        image.bytes_of(FRAMES, 0, &mut bytes)?;
        Some(Self { code: 0..u64::MAX, address: range.start, bytes })
    }
}

/// The start of the function with the code at `address`, by the index; of the usual encoding only.
pub(crate) fn function_start(image: &Image, address: u64) -> Option<u64> {
    let is_known = is_usual(image);
    let line = is_known.then(|| line(image, address)).flatten()?;
    Some(line.start)
}

fn is_usual(image: &Image) -> bool {
    let mut head = [0; 4];
    image.bytes_of(INDEX, 0, &mut head).is_some() && head == USUAL
}

/// The last function that starts at `address` or before.
fn line(image: &Image, address: u64) -> Option<Line> {
    let base = image.section_range(INDEX)?.start;
    let word = |at: u64| {
        let mut word = [0; 4];
        image.bytes_of(INDEX, at, &mut word).map(|()| word)
    };
    let stated = |at: u64| Some(base.wrapping_add_signed(i64::from(i32::from_le_bytes(word(at)?))));
    let start = |n: u64| stated(12 + 8 * n);
    let count = u64::from(u32::from_le_bytes(word(8)?));
    let (mut low, mut high) = (0, count);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if start(middle)? <= address { low = middle } else { high = middle }
    }
    let found = start(low).filter(|start| *start <= address)?;
    let end = if low + 1 < count { start(low + 1)? } else { u64::MAX };
    Some(Line { start: found, entry: stated(16 + 8 * low)?, end: end.max(found + 1) })
}

/// The bytes of an entry, and where its head stands; for a head that means nothing.
fn entry(image: &Image, address: u64) -> Option<(Vec<u8>, u64)> {
    let at = address.checked_sub(image.section_range(FRAMES)?.start)?;
    let mut words = [0; 8];
    image.bytes_of(FRAMES, at, &mut words)?;
    let [length, distance] =
        [0, 4].map(|n| u32::from_le_bytes([words[n], words[n + 1], words[n + 2], words[n + 3]]));
    if !(4..=ENTRY_BYTES_MAX).contains(&length) {
        return None;
    }
    let mut bytes = vec![0; length as usize + 4];
    image.bytes_of(FRAMES, at, &mut bytes)?;
    Some((bytes, (address + 4).wrapping_sub(u64::from(distance))))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::image::Source;

    /// This program, and a function of it: its address as the file states it.
    fn own() -> (Image, u64) {
        let image = Image::read(Source::File(File::open("/proc/self/exe").unwrap())).unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let at = own as fn() -> (Image, u64) as usize as u64;
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let of_code = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let offset = words.nth(1)?;
            (number(start)..number(end)).contains(&at).then(|| at - number(start) + number(offset))
        };
        let offset = maps.lines().find_map(of_code).unwrap();
        let address = image.address_of(offset).unwrap();
        (image, address)
    }

    #[test]
    fn one_function_has_a_head_an_entry_and_an_end_at_its_old_place() {
        let (image, address) = own();
        let found = CallFrames::of(&image, address + 1).unwrap();
        assert!(
            found.code.start == address && found.code.contains(&(address + 1)),
            "{found:x?} for {address:x}"
        );
        assert_eq!(function_start(&image, address + 1), Some(address));
        assert!(found.bytes.len() < 1_000 && found.bytes.ends_with(&[0; 4]), "{}", found.bytes.len());
        let word = |at: usize| u32::from_le_bytes(found.bytes[at..at + 4].try_into().unwrap()) as usize;
        let second = word(0) + 4;
        assert_eq!(word(4), 0, "first the head");
        assert_eq!(word(second + 4), second + 4, "then what refers to it");
        assert_eq!(second + word(second) + 8, found.bytes.len(), "then the end");
        let whole = image.section_range(FRAMES).unwrap();
        assert!(whole.contains(&(found.address + second as u64)));
        let start = i64::from(word(second + 8) as u32 as i32);
        assert_eq!(
            (found.address + second as u64 + 8).wrapping_add_signed(start),
            address,
            "it tells of this function"
        );
    }

    #[test]
    fn code_that_no_file_has_is_not_told_of() {
        let (image, _) = own();
        assert_eq!(CallFrames::of(&image, 0), None);
        assert_eq!(function_start(&image, 0), None);
    }
}
