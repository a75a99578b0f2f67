//! A producer that is faster than its consumer: what waits between them grows. Argument: bytes a second.
use std::sync::mpsc::channel;
use std::time::Duration;

fn main() {
    let rate: f64 = std::env::args().nth(1).and_then(|one| one.parse().ok()).unwrap_or(4e6);
    let (sender, receiver) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for message in receiver {
            std::thread::sleep(Duration::from_millis(40 + u64::from(message[0])));
        }
    });
    let size = rate as usize / 100;
    loop {
        sender.send(vec![1; size]).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
}
