//! A pool that starts its sixty threads one by one, each with a buffer of its own; after that it works and stands still.
use std::time::Duration;

fn main() {
    for _ in 0..60 {
        std::thread::spawn(|| {
            let mut buffer = vec![1u8; 4 << 20];
            loop {
                buffer.iter_mut().step_by(4096).for_each(|byte| *byte = byte.wrapping_add(1));
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        std::thread::sleep(Duration::from_millis(400));
    }
    loop {
        std::thread::park();
    }
}
