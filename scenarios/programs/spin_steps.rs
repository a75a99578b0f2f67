//! Four threads that compute for 150 ms and sleep for 30 ms, out of step.
use std::time::{Duration, Instant};

fn main() {
    let one = |i: u64| {
        std::thread::sleep(Duration::from_millis(40 * i));
        loop {
            let start = Instant::now();
            let mut sum = i;
            while start.elapsed() < Duration::from_millis(150) {
                sum = std::hint::black_box(sum.wrapping_mul(31) + 7);
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    };
    let threads: Vec<_> = (0..4).map(|i| std::thread::spawn(move || one(i))).collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
}
