//! Two threads lock two mutexes in opposite order, after ONSET seconds of work; the main thread waits for both.
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
fn main() {
    let onset = Duration::from_secs_f64(std::env::args().nth(1).unwrap().parse().unwrap());
    let (left, right) = (Arc::new(Mutex::new(0u64)), Arc::new(Mutex::new(0u64)));
    let go = |first: Arc<Mutex<u64>>, second: Arc<Mutex<u64>>| {
        thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < onset {
                std::hint::black_box((0..200_000u64).fold(0u64, |sum, one| sum.wrapping_mul(31) ^ one));
                thread::sleep(Duration::from_millis(20));
            }
            let mut one = first.lock().unwrap();
            thread::sleep(Duration::from_millis(500));
            *one += *second.lock().unwrap();
        })
    };
    let both = [go(left.clone(), right.clone()), go(right, left)];
    for thread in both {
        thread.join().unwrap();
    }
}
