//! Reads its state, which is damaged, and panics, after SECONDS.
fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0.0);
    std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
    let state: u32 = "12;garbage".parse().expect("state file");
    println!("{state}");
}
