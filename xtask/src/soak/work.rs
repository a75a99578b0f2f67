//! Programs that do the work of an ordinary server and have no fault: a database, a server with its clients, a log.
//!
//! Each is this program under another name (`cargo xtask soak` copies it), so that it is watched as a program of its own.
//! They come and go in waves: a quarter of every twelve minutes nobody asks for anything.
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Io = std::io::Result<()>;

/// Pages of the database, 4 KiB each: 64 MiB.
const PAGES: u64 = 16_384;
const PAGE: usize = 4_096;
/// Sessions that the server remembers.
const SESSIONS: usize = 20_000;
/// Bytes of the log before it is begun anew.
const LOG_MAX: u64 = 1 << 20;

/// Whether this program was called as one of them; then it works until it is ended.
pub(crate) fn is_called() -> bool {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let folder = arguments.next().unwrap_or_default();
    let folder = Path::new(&folder);
    let done = match name.rsplit('/').next() {
        Some("soak-database") => database(folder),
        Some("soak-server") => server(folder),
        Some("soak-clients") => clients(folder),
        Some("soak-lines") => lines(folder),
        _ => return false,
    };
    if let Err(error) = done {
        eprintln!("{name}: {error}");
    }
    true
}

/// Numbers in no order.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        Self(u64::from(std::process::id()) << 20 | now_s())
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How often a thing is done now, 0 to 4 times as often as usual.
fn wave() -> u64 {
    let second = now_s();
    match (second / 60 % 12, second % 180) {
        (9.., _) => 0,
        (_, 0..20) => 4,
        (0..3, _) => 1,
        _ => 2,
    }
}

/// Sleeps so that things are done `per_s` times a second, as the wave has it.
fn pace(per_s: u64) {
    match wave() {
        0 => std::thread::sleep(Duration::from_secs(1)),
        wave => std::thread::sleep(Duration::from_micros(1_000_000 / (per_s * wave))),
    }
}

/// Transactions of a few random pages and a line of the log each, made durable; a checkpoint once a minute; reads.
fn database(folder: &Path) -> Io {
    let open = |name: &str| {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.join(name))
    };
    let (table, mut log) = (open("table")?, open("journal")?);
    let (mut dice, mut page, mut cache) = (Dice::new(), vec![0_u8; PAGE], vec![0_u8; 24 << 20]);
    (0..PAGES).try_for_each(|at| table.write_all_at(&page, at * PAGE as u64))?;
    let mut checkpoint = Instant::now();
    loop {
        for _ in 0..1 + dice.below(6) {
            let at = dice.below(PAGES);
            table.read_exact_at(&mut page, at * PAGE as u64)?;
            page[dice.below(PAGE as u64) as usize] ^= 1;
            let slot = at as usize % (cache.len() / PAGE) * PAGE;
            cache[slot..slot + PAGE].copy_from_slice(&page);
            table.write_all_at(&page, at * PAGE as u64)?;
        }
        log.write_all(&page[..200])?;
        log.sync_data()?;
        if checkpoint.elapsed() > Duration::from_secs(60) {
            table.sync_data()?;
            log.set_len(0)?;
            log.seek(SeekFrom::Start(0))?;
            checkpoint = Instant::now();
        }
        pace(20);
    }
}

/// Answers each request with as much as it asks for, and remembers whose it was.
fn server(folder: &Path) -> Io {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(folder.join("port.new"), listener.local_addr()?.port().to_string())?;
    std::fs::rename(folder.join("port.new"), folder.join("port"))?;
    let (mut sessions, mut answer) = (vec![0_u64; SESSIONS], vec![b'x'; 1 << 16]);
    for (number, stream) in listener.incoming().enumerate() {
        let mut stream = stream?;
        let mut request = [0; 8];
        while stream.read_exact(&mut request).is_ok() {
            let size = u64::from_le_bytes(request) as usize % answer.len();
            answer.sort_unstable();
            sessions[number % SESSIONS] = size as u64;
            stream.write_all(&(size as u64).to_le_bytes())?;
            stream.write_all(&answer[..size])?;
        }
        if number % 500 == 0 {
            println!("request {number} answered with {} bytes", sessions[number % SESSIONS]);
        }
    }
    Ok(())
}

/// Asks the server, a few requests a connection.
fn clients(folder: &Path) -> Io {
    let mut dice = Dice::new();
    let mut answer = vec![0; 1 << 16];
    loop {
        pace(25);
        let Ok(Ok(port)) = std::fs::read_to_string(folder.join("port")).map(|text| text.parse::<u16>())
        else {
            continue;
        };
        // A server that is not there yet is asked again.
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        for _ in 0..1 + dice.below(5) {
            stream.write_all(&dice.below(1 << 15).to_le_bytes())?;
            let mut size = [0; 8];
            stream.read_exact(&mut size)?;
            stream.read_exact(&mut answer[..u64::from_le_bytes(size) as usize])?;
        }
    }
}

/// Writes lines of a few kinds to a file that is begun anew when it is full, some to the standard output.
fn lines(folder: &Path) -> Io {
    let (mut dice, mut file) = (Dice::new(), File::create(folder.join("access"))?);
    loop {
        let (who, size) = (dice.below(90_000), dice.below(1 << 20));
        let line = match dice.below(20) {
            0 => format!("user {who} logged in from 10.0.{}.{}", who % 7, who % 251),
            1 => format!("slow query of {} ms for user {who}", size / 1_000),
            _ => format!("GET /item/{who} 200 {size} in {} us", dice.below(9_000)),
        };
        writeln!(file, "{line}")?;
        if dice.below(10) == 0 {
            println!("{line}");
        }
        if file.stream_position()? > LOG_MAX {
            std::fs::rename(folder.join("access"), folder.join("access.1"))?;
            file = File::create(folder.join("access"))?;
        }
        pace(30);
    }
}
