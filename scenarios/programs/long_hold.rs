//! Two threads wait for locks that a third one holds for half a minute at a time while it talks to storage.
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;
fn main() {
    let locks = Arc::new([Mutex::new(0u64), Mutex::new(0u64)]);
    for one in 0..2 {
        let locks = locks.clone();
        thread::spawn(move || loop {
            *locks[one].lock().unwrap() += 1;
            sleep(Duration::from_millis(100));
        });
    }
    loop {
        let (first, second) = (locks[0].lock().unwrap(), locks[1].lock().unwrap());
        sleep(Duration::from_secs(5));
        drop((first, second));
        sleep(Duration::from_millis(200));
    }
}
