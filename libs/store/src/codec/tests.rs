//! Bit exactness on anything, refusal of damaged bytes, and the sizes the codec exists for.

use proptest::prelude::*;

use super::{Effort, Kind, Scratch, Summary, decode, encode, name};

fn round_trip(kind: Kind, values: &[u64], effort: Effort) -> (usize, u8) {
    let mut out = vec![0xEE];
    let codec = encode(kind, values, effort, &mut Scratch::default(), &mut out);
    let mut back = vec![0; values.len()];
    decode(kind, codec, &out[1..], &mut back).unwrap();
    assert_eq!(back, values, "{} {effort:?}", name(codec));
    (out.len() - 1, codec)
}

fn exact(kind: Kind, values: &[u64]) {
    round_trip(kind, values, Effort::Fast);
    round_trip(kind, values, Effort::Best);
}

/// Rows like a machine's: runs, counters, noise, multiples, extremes.
fn rows() -> impl Strategy<Value = Vec<u64>> {
    let piece = prop_oneof![
        (any::<i64>(), 1..50usize).prop_map(|(v, n)| vec![v; n]),
        (any::<i64>(), -300..300i64, 1..50i64)
            .prop_map(|(v, d, n)| (0..n).map(|i| v.wrapping_add(i * d)).collect()),
        prop::collection::vec(-200..20_000i64, 1..50),
        prop::collection::vec((0..1_000_000i64).prop_map(|v| v * 4096), 1..50),
        prop::collection::vec(any::<i64>(), 1..10),
        prop::collection::vec(prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)], 1..10),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|p| p.concat().into_iter().map(|v| v as u64).collect())
}

fn float_rows() -> impl Strategy<Value = Vec<u64>> {
    let odd = prop_oneof![Just(f64::NAN), Just(-0.0), Just(f64::INFINITY), Just(f64::MIN_POSITIVE)];
    let piece = prop_oneof![
        prop::collection::vec((0..100_000i64).prop_map(|v| v as f64 / 100.0), 1..50),
        prop::collection::vec(0.0..1.0f64, 1..50),
        prop::collection::vec(any::<u64>().prop_map(f64::from_bits), 1..10),
        (any::<f64>(), 1..50usize).prop_map(|(v, n)| vec![v; n]),
        prop::collection::vec(odd, 1..5),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|p| p.concat().into_iter().map(f64::to_bits).collect())
}

proptest! {
    #[test]
    fn integers_come_back_to_the_bit(values in rows()) {
        exact(Kind::Int, &values);
    }

    #[test]
    fn floats_come_back_to_the_bit(values in float_rows()) {
        exact(Kind::Float, &values);
    }

    #[test]
    fn any_bytes_decode_to_an_answer(codec: u8, bytes in prop::collection::vec(any::<u8>(), 0..200), n in 0..300usize) {
        // Neither panics nor reads past the end; what it answers for noise does not matter.
        let mut out = vec![0; n];
        let _ = decode(Kind::Int, codec, &bytes, &mut out);
        let _ = decode(Kind::Float, codec, &bytes, &mut out);
    }

    #[test]
    fn a_cut_payload_is_refused(values in rows(), share in 0.0..1.0f64) {
        let mut out = Vec::new();
        let codec = encode(Kind::Int, &values, Effort::Fast, &mut Scratch::default(), &mut out);
        let cut = (out.len() as f64 * share) as usize;
        prop_assert!(decode(Kind::Int, codec, &out[..cut], &mut vec![0; values.len()]).is_none());
    }

    #[test]
    fn a_summary_of_parts_is_the_summary_of_the_whole(values in rows(), share in 0.0..1.0f64) {
        let small: Vec<u64> = values.iter().map(|v| (*v as i64 >> 20) as u64).collect();
        let whole = Summary::of(Kind::Int, &small).unwrap();
        let (left, right) = small.split_at((small.len() as f64 * share) as usize);
        let joined = match (Summary::of(Kind::Int, left), Summary::of(Kind::Int, right)) {
            (Some(left), Some(right)) => left.join(&right),
            (left, right) => left.or(right).unwrap(),
        };
        prop_assert_eq!(joined, whole);
        let naive = small.iter().map(|v| i128::from(*v as i64)).sum::<i128>();
        prop_assert_eq!(i128::from(whole.sum as i64), naive);
        prop_assert_eq!(whole.min as i64, small.iter().map(|v| *v as i64).min().unwrap());
        prop_assert_eq!(whole.last, *small.last().unwrap());
    }
}

#[test]
fn typical_series_are_small() {
    let ints = |f: &dyn Fn(i64) -> i64| (0..300).map(|i| f(i) as u64).collect::<Vec<_>>();
    let fast = |values: &[u64]| round_trip(Kind::Int, values, Effort::Fast).0;
    assert!(fast(&ints(&|_| 123_456)) <= 3);
    assert!(fast(&ints(&|i| 1_000_000 + 100 * i)) <= 8);
    assert!(fast(&ints(&|i| (500 + i % 7) * 4096)) <= 310);
    assert!(fast(&ints(&|i| if i < 150 { 5 } else { 6 })) <= 8);
    let hundredths: Vec<u64> = (0..300).map(|i| (f64::from(i % 50) / 100.0).to_bits()).collect();
    assert!(round_trip(Kind::Float, &hundredths, Effort::Fast).0 <= 320);
}

#[test]
fn best_is_never_larger_than_fast() {
    let noise = |bits: u32| {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> (64 - bits)
        };
        (0..3600).map(|_| next()).collect::<Vec<u64>>()
    };
    for bits in [1, 3, 9, 17, 40] {
        let values = noise(bits);
        let fast = round_trip(Kind::Int, &values, Effort::Fast).0;
        let best = round_trip(Kind::Int, &values, Effort::Best).0;
        assert!(best <= fast, "{bits} bits: {best} over {fast}");
    }
}

#[test]
fn not_a_number_counts_for_nothing() {
    let values = [1.0, f64::NAN, 3.0].map(f64::to_bits);
    let summary = Summary::of(Kind::Float, &values).unwrap();
    assert_eq!((summary.count, summary.mean(), summary.number(summary.last)), (2, 2.0, 3.0));
    assert_eq!(Summary::of(Kind::Float, &[f64::NAN.to_bits()]), None);
}
