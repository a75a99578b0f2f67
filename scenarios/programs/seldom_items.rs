//! A producer that makes an item every 25 seconds and three consumers behind bounded channels: all of them mostly wait.
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

fn main() {
    let (send, receive) = mpsc::sync_channel::<Vec<u64>>(1);
    let receive = Arc::new(Mutex::new(receive));
    for _ in 0..3 {
        let receive = receive.clone();
        thread::spawn(move || {
            loop {
                let item = receive.lock().unwrap().recv().unwrap();
                std::hint::black_box(item.iter().map(|n| n * n % 7).sum::<u64>());
            }
        });
    }
    loop {
        send.send((0..3_000_000).collect()).unwrap();
        thread::sleep(Duration::from_secs(25));
    }
}
