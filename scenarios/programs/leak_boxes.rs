//! Forgets boxes: RATE bytes a second, after LEVEL seconds.
use std::{env, thread, time::Duration};
fn main() {
    let number = |at: usize| env::args().nth(at).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0);
    let (rate, level_s) = (number(1), number(2));
    thread::sleep(Duration::from_secs_f64(level_s));
    loop {
        std::hint::black_box(Box::leak(vec![7u8; (rate / 5.0) as usize].into_boxed_slice()));
        thread::sleep(Duration::from_millis(200));
    }
}
