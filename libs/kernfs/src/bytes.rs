//! Small total functions over the bytes of kernel text files: every input has an answer, none panics.

/// The non-empty lines of a file.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// The fields of a line, separated by any run of spaces and tabs.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| matches!(b, b' ' | b'\t')).filter(|field| !field.is_empty())
}

/// Splits at the first `separator`, which belongs to neither part.
pub(crate) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn digits(text: &[u8], radix: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = char::from(*byte).to_digit(16).map(u64::from).filter(|d| *d < radix)?;
        sum.checked_mul(radix)?.checked_add(digit)
    })
}

/// A decimal number that fits `T`; no sign, no space.
pub(crate) fn dec<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    T::try_from(digits(text, 10)?).ok()
}

/// A decimal number with an optional minus sign that fits `T`.
pub(crate) fn signed<T: TryFrom<i64>>(text: &[u8]) -> Option<T> {
    let value = match text.strip_prefix(b"-") {
        Some(rest) => 0i64.checked_sub_unsigned(digits(rest, 10)?)?,
        None => i64::try_from(digits(text, 10)?).ok()?,
    };
    T::try_from(value).ok()
}

/// A hexadecimal number, with or without `0x`, that fits `T`.
pub(crate) fn hex<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    T::try_from(digits(text.strip_prefix(b"0x").unwrap_or(text), 16)?).ok()
}

/// A non-negative decimal fraction such as `12.34`; rejects signs, exponents, `inf` and `NaN`.
pub(crate) fn fraction(text: &[u8]) -> Option<f64> {
    if !text.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|v: &f64| v.is_finite())
}

/// The bytes meant by a value in kibibytes such as `1756 kB`, as meminfo, status and smaps print it.
pub(crate) fn kib(text: &[u8]) -> Option<u64> {
    dec::<u64>(fields(text).next()?)?.checked_mul(1024)
}

/// The value behind `key:` in a file of `key: value` lines, without the blanks around it.
pub(crate) fn value_of<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    lines(text).find_map(|line| line.strip_prefix(key)?.strip_prefix(b":")).map(<[u8]>::trim_ascii)
}

/// The value behind `key` in a file of `key value` lines.
pub(crate) fn value_of_word<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    lines(text).find_map(|line| line.strip_prefix(key)?.strip_prefix(b" ")).map(<[u8]>::trim_ascii)
}

/// Undoes the octal escapes (`\040` for a space) with which the kernel prints paths in tables.
pub(crate) fn unescape_octal(text: &[u8]) -> Vec<u8> {
    unescape(text, |tail| {
        let code = tail.get(..3).filter(|c| c.iter().all(|b| (b'0'..=b'7').contains(b)))?;
        Some((u8::try_from(digits(code, 8)?).ok()?, 3))
    })
}

/// Undoes `\xNN` escapes, as systemd unit names and the kernel log print them.
pub(crate) fn unescape_hex(text: &[u8]) -> Vec<u8> {
    unescape(text, |tail| {
        let code = tail.strip_prefix(b"x")?.get(..2)?;
        Some((u8::try_from(digits(code, 16)?).ok()?, 3))
    })
}

/// Replaces each backslash that `decode` understands by the byte it means; others stay as they are.
/// `decode` sees what follows the backslash and answers the byte and how many bytes it used.
fn unescape(text: &[u8], decode: impl Fn(&[u8]) -> Option<(u8, usize)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = if byte == b'\\' { decode(tail) } else { None };
        let (byte, used) = escaped.unwrap_or((byte, 0));
        out.push(byte);
        rest = tail.get(used..).unwrap_or_default();
    }
    out
}

/// A path from the raw bytes the kernel gave.
pub(crate) fn path(bytes: &[u8]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

/// Fills `out` with what `parse` makes of each line and counts the lines it refuses.
pub(crate) fn collect<'a, T>(
    lines: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<T>,
    parse: impl Fn(&'a [u8]) -> Option<T>,
) -> usize {
    out.clear();
    lines.fold(0, |skipped, line| match parse(line) {
        Some(row) => {
            out.push(row);
            skipped
        }
        None => skipped + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_strict() {
        assert_eq!(dec::<u64>(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(dec::<u64>(b"18446744073709551616"), None);
        assert_eq!(dec::<u64>(b""), None);
        assert_eq!(dec::<u64>(b"+1"), None);
        assert_eq!(dec::<u8>(b"256"), None);
        assert_eq!(signed::<i64>(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed::<i64>(b"-"), None);
        assert_eq!(signed::<i32>(b"-1"), Some(-1));
        assert_eq!(hex::<u64>(b"0xff"), Some(255));
        assert_eq!(hex::<u8>(b"1ff"), None);
        assert_eq!(fraction(b"0.59"), Some(0.59));
        assert_eq!(fraction(b"inf"), None);
        assert_eq!(fraction(b"-1"), None);
        assert_eq!(kib(b" 2 kB"), Some(2048));
        assert_eq!(kib(b"18446744073709551615 kB"), None);
    }

    #[test]
    fn escapes_that_mean_nothing_stay() {
        assert_eq!(unescape_octal(br"a\040b\134"), br"a b\");
        assert_eq!(unescape_octal(br"a\9\77\777\"), br"a\9\77\777\");
        assert_eq!(unescape_hex(br"foo\x2dbar\x2\xzz"), br"foo-bar\x2\xzz");
    }
}
