//! A small real service: worker threads that accept, a mutex around its store, one answer a line.
//!
//! Its faults are real ones, switched on by a datagram; it knows nothing of Homeostat. The same service in C
//! with pthreads stands in `scenarios/services/pthread_service.c`: its mutexes name their owner, these do not.
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

/// Threads that accept and answer.
const WORKERS: usize = 4;

/// Rounds of arithmetic a request costs: a few tens of microseconds.
const WORK_ROUNDS: u32 = 20_000;

/// Where a service serves, takes orders and keeps its lease.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// TCP port on loopback.
    pub port: u16,
    /// Socket for orders.
    pub control: PathBuf,
    /// Lease file.
    pub lease: PathBuf,
}

/// The store and its index, each behind a lock.
#[derive(Debug, Default)]
struct Store {
    data: Mutex<u64>,
    index: Mutex<u64>,
}

/// Serves until it is ended.
///
/// # Errors
/// The port or the control socket cannot be bound.
pub(crate) fn serve(place: &Place) -> std::io::Result<()> {
    wait_for_lease(&place.lease);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, place.port))?;
    let _ = std::fs::remove_file(&place.control);
    let orders = UnixDatagram::bind(&place.control)?;
    let store = Arc::new(Store::default());
    for _ in 0..WORKERS {
        let (listener, store) = (listener.try_clone()?, store.clone());
        thread::spawn(move || answer(&listener, &store));
    }
    let mut order = [0; 64];
    loop {
        let length = orders.recv(&mut order)?;
        obey(&String::from_utf8_lossy(&order[..length]), &store, place);
    }
}

fn answer(listener: &TcpListener, store: &Store) {
    loop {
        let Ok((mut peer, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mut line = [0; 64];
        if matches!(peer.read(&mut line), Ok(length) if length > 0) {
            let result = store.data.lock().map(|mut data| {
                *data = work(u64::from(line[0]));
                *data
            });
            // A client that gave up is no trouble of ours.
            let _ = writeln!(peer, "ok {}", result.unwrap_or(0));
        }
    }
}

/// What a request costs.
fn work(seed: u64) -> u64 {
    (0..WORK_ROUNDS).fold(seed, |value, _| {
        std::hint::black_box(
            value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407),
        )
    })
}

fn obey(order: &str, store: &Arc<Store>, place: &Place) {
    let mut words = order.split_whitespace();
    let word = words.next().unwrap_or_default().to_owned();
    let amount = words.next().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    match word.as_str() {
        "memory_leak" => drop(thread::spawn(move || rust_leaks_memory(amount))),
        "descriptor_leak" => drop(thread::spawn(move || leak_descriptors(amount))),
        "cpu_hog" => {
            for _ in 0..amount as usize {
                thread::spawn(rust_spins);
            }
        }
        "deadlock" => deadlock(store),
        "crash_loop" => crash(amount, &place.lease),
        _ => eprintln!("unknown order: {order}"),
    }
}

// What goes wrong has names that whoever looks at the stacks of a stripped program can see; `build.rs` exports them.

// SAFETY: no other function of this program has that name; see `FAULTS` in `build.rs`.
#[unsafe(no_mangle)]
#[inline(never)]
fn rust_leaks_memory(bytes_per_s: f64) {
    loop {
        let step = (bytes_per_s / 20.0) as usize;
        // Seen through, the compiler leaves out memory that nobody reads.
        std::mem::forget(std::hint::black_box(vec![1_u8; step]));
        thread::sleep(Duration::from_millis(50));
    }
}

// SAFETY: as above.
#[unsafe(no_mangle)]
#[inline(never)]
fn rust_spins() {
    loop {
        std::hint::black_box(work(1));
    }
}

fn leak_descriptors(per_s: f64) {
    loop {
        match File::open("/dev/null") {
            Ok(file) => std::mem::forget(file),
            Err(error) => eprintln!("open: {error}"),
        }
        thread::sleep(Duration::from_secs_f64(1.0 / per_s));
    }
}

fn deadlock(store: &Arc<Store>) {
    let (one, other) = (store.clone(), store.clone());
    thread::spawn(move || rust_takes_data_then_index(&one));
    thread::spawn(move || rust_takes_index_then_data(&other));
}

// SAFETY: as above.
#[unsafe(no_mangle)]
#[inline(never)]
fn rust_takes_data_then_index(store: &Store) {
    let data = store.data.lock();
    thread::sleep(Duration::from_millis(200));
    let _both = (data, store.index.lock());
}

// SAFETY: as above.
#[unsafe(no_mangle)]
#[inline(never)]
fn rust_takes_index_then_data(store: &Store) {
    let index = store.index.lock();
    thread::sleep(Duration::from_millis(200));
    let _both = (index, store.data.lock());
}

fn crash(hold_s: f64, lease: &Path) {
    let _ = std::fs::write(lease, hold_s.to_string());
    eprintln!("internal error: index is inconsistent");
    std::process::exit(70);
}

/// After a crash the lease of the dead instance must run out; every attempt to start renews it.
fn wait_for_lease(lease: &Path) {
    let Ok(text) = std::fs::read_to_string(lease) else { return };
    let modified = std::fs::metadata(lease).and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
    if age.as_secs_f64() < text.trim().parse().unwrap_or(0.0) {
        let _ = std::fs::write(lease, text);
        eprintln!("cannot start: the lease of the last instance is still held");
        std::process::exit(75);
    }
    let _ = std::fs::remove_file(lease);
}
