//! What is kept of a fraction.

/// Two digits of a chance, however small: it is its order that tells.
pub(super) fn two_digits(chance: f64) -> f64 {
    if chance > 0.0 && chance.is_finite() {
        let digits = 1 - chance.log10().floor() as i32;
        // Read back from its text, so that it is the short decimal that the codec knows.
        return format!("{chance:.*}", usize::try_from(digits).unwrap_or(0)).parse().unwrap_or(chance);
    }
    0.0
}

/// Six digits and at most three decimals: more than any of these rates is worth, and a fraction of the room.
pub(super) fn rounded(value: f64) -> f64 {
    let size = value.abs();
    if size < 1e6 {
        let scale = [(1e3, 1e3), (1e4, 1e2), (1e5, 1e1)].into_iter().find(|(below, _)| size < *below);
        let scale = scale.map_or(1.0, |(_, scale)| scale);
        // Zero has no sign here: it is a rate, and would be another value than 0 to the bit.
        return (value * scale).round() / scale + 0.0;
    }
    let mut unit = 1.0;
    while size / unit >= 1e6 {
        unit *= 10.0;
    }
    (value / unit).round() * unit
}
