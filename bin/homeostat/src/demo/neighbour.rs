//! The innocent but noisy neighbour: bursts of CPU, a saw-tooth of memory, bursts of connections and of
//! writes, and a child that ends well again and again. All of it benign; whoever accuses it is wrong.
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Memory of the saw-tooth at its peak. Unit: bytes.
const PEAK_BYTES: usize = 96 << 20;

/// Makes noise until it is ended.
///
/// # Errors
/// The port cannot be bound.
pub(crate) fn run(port: u16, scratch: &Path) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    std::thread::spawn(move || {
        for peer in listener.incoming().flatten() {
            let mut peer = peer;
            let _ = peer.write_all(b"ok\n");
        }
    });
    let mut heap: Vec<Vec<u8>> = Vec::new();
    for round in 0_u32.. {
        burn(Duration::from_millis(400));
        saw_tooth(&mut heap);
        if round % 4 == 0 {
            connect_a_lot(port);
        }
        if round % 5 == 0 {
            std::fs::write(scratch, vec![round as u8; 8 << 20])?;
        }
        if round % 6 == 0 {
            // A job that ends well.
            let _ = Command::new("/bin/true").status();
        }
        std::thread::sleep(Duration::from_millis(900));
    }
    Ok(())
}

fn burn(span: Duration) {
    let until = Instant::now() + span;
    let mut value = 1_u64;
    while Instant::now() < until {
        value = std::hint::black_box(value.wrapping_mul(3));
    }
}

/// Grows for some rounds and gives everything back, as a garbage collector does.
fn saw_tooth(heap: &mut Vec<Vec<u8>>) {
    heap.push(vec![1; PEAK_BYTES / 6]);
    if heap.len() > 6 {
        heap.clear();
    }
}

fn connect_a_lot(port: u16) {
    let held =
        (0..60).filter_map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()).collect::<Vec<_>>();
    std::thread::sleep(Duration::from_millis(500));
    drop(held);
}
