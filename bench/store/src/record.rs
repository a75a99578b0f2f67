//! Records this machine once a second into a file that the history bench replays.
//!
//! The series are what an observer of a machine keeps: every counter of `/proc/stat`, `meminfo`, `vmstat`, `diskstats`,
//! `net/dev`, pressure and load, then eleven series a process. A process that ends gives its place to one not seen
//! before, so there are `series_max` live series at every instant and the churn is the machine's own.
//!
//! File: `HREC1\n`, then records. `K` u32 id, u8 kind (0 integer, 1 float), u16 length, key. `T` i64 time in ms,
//! u32 n, then n times (u32 id, u64 bits). Little-endian.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Series kept for one process.
const PER_PROCESS: usize = 11;

/// One tick on its way into the file.
struct Tick {
    samples: Vec<(u32, u64)>,
}

/// The recorder: the keys it has given out and where it writes.
struct Recorder<W: Write> {
    out: W,
    ids: HashMap<String, u32>,
    next: u32,
    series_max: usize,
    /// Processes now recorded, by pid and start time, with their last CPU ticks.
    live: HashMap<(u32, u64), u64>,
    last: Instant,
}

/// Records `seconds` seconds of at most `series_max` live series into `path`.
pub fn record(path: &Path, seconds: u64, series_max: usize) -> io::Result<()> {
    let mut out = BufWriter::new(fs::File::create(path)?);
    out.write_all(b"HREC1\n")?;
    let now = Instant::now();
    let mut recorder =
        Recorder { out, ids: HashMap::new(), next: 0, series_max, live: HashMap::new(), last: now };
    for second in 0..seconds {
        let due = now + Duration::from_secs(second);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        recorder.tick()?;
    }
    recorder.out.flush()
}

impl<W: Write> Recorder<W> {
    fn tick(&mut self) -> io::Result<()> {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let mut tick = Tick { samples: Vec::with_capacity(self.series_max) };
        self.machine(&mut tick)?;
        self.processes(&mut tick)?;
        self.last = Instant::now();
        self.out.write_all(b"T")?;
        self.out.write_all(&at_ms.to_le_bytes())?;
        self.out.write_all(&(tick.samples.len() as u32).to_le_bytes())?;
        for (id, bits) in tick.samples {
            self.out.write_all(&id.to_le_bytes())?;
            self.out.write_all(&bits.to_le_bytes())?;
        }
        self.out.flush()
    }

    fn int(&mut self, tick: &mut Tick, key: &str, value: i64) -> io::Result<()> {
        let id = self.id(key, 0)?;
        tick.samples.push((id, value as u64));
        Ok(())
    }

    fn float(&mut self, tick: &mut Tick, key: &str, value: f64) -> io::Result<()> {
        let id = self.id(key, 1)?;
        tick.samples.push((id, value.to_bits()));
        Ok(())
    }

    fn id(&mut self, key: &str, kind: u8) -> io::Result<u32> {
        if let Some(id) = self.ids.get(key) {
            return Ok(*id);
        }
        let id = self.next;
        self.next += 1;
        self.ids.insert(key.to_owned(), id);
        self.out.write_all(b"K")?;
        self.out.write_all(&id.to_le_bytes())?;
        self.out.write_all(&[kind])?;
        self.out.write_all(&(key.len() as u16).to_le_bytes())?;
        self.out.write_all(key.as_bytes())?;
        Ok(id)
    }

    fn machine(&mut self, tick: &mut Tick) -> io::Result<()> {
        for file in ["stat", "meminfo", "vmstat", "loadavg", "diskstats", "net/dev"] {
            let text = fs::read_to_string(format!("/proc/{file}")).unwrap_or_default();
            for (row, line) in text.lines().enumerate() {
                self.line(tick, file, row, line)?;
            }
        }
        for file in ["cpu", "memory", "io"] {
            let text = fs::read_to_string(format!("/proc/pressure/{file}")).unwrap_or_default();
            for (row, line) in text.lines().enumerate() {
                self.line(tick, &format!("pressure/{file}"), row, &line.replace('=', " "))?;
            }
        }
        Ok(())
    }

    /// Every number of a line is a series named by file, the line's first word (or its row) and its place.
    fn line(&mut self, tick: &mut Tick, file: &str, row: usize, line: &str) -> io::Result<()> {
        if line.starts_with("intr") || line.starts_with("softirq") {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let named = words.first().is_some_and(|w| w.parse::<f64>().is_err());
        let name = if named { words[0].trim_end_matches(':').to_owned() } else { format!("row{row}") };
        for (place, word) in words.iter().enumerate() {
            let key = format!("{file}/{name}/{place}");
            match (word.parse::<i64>(), word.parse::<f64>()) {
                (Ok(value), _) => self.int(tick, &key, value)?,
                (_, Ok(value)) => self.float(tick, &key, value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn processes(&mut self, tick: &mut Tick) -> io::Result<()> {
        let elapsed_s = self.last.elapsed().as_secs_f64().max(0.001);
        let mut found = HashSet::new();
        let mut fresh = Vec::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|s| s.parse::<u32>().ok()) else { continue };
            let Some(fields) = stat_fields(pid) else { continue };
            let process = (pid, fields[19] as u64);
            match self.live.contains_key(&process) {
                true => {
                    found.insert(process);
                    self.process(tick, process, &fields, elapsed_s)?;
                }
                false => fresh.push((process, fields)),
            }
        }
        self.live.retain(|process, _| found.contains(process));
        // The newest first: they are what a busy machine is made of.
        fresh.sort_by_key(|(process, _)| std::cmp::Reverse(process.1));
        for (process, fields) in fresh {
            if tick.samples.len() + PER_PROCESS > self.series_max {
                break;
            }
            self.live.insert(process, fields[11] as u64 + fields[12] as u64);
            self.process(tick, process, &fields, elapsed_s)?;
        }
        Ok(())
    }

    fn process(
        &mut self,
        tick: &mut Tick,
        process: (u32, u64),
        fields: &[i64],
        elapsed_s: f64,
    ) -> io::Result<()> {
        let (pid, start) = process;
        let key = |name: &str| format!("process/{pid}.{start}/{name}");
        let cpu = fields[11] as u64 + fields[12] as u64;
        let before = self.live.insert(process, cpu).unwrap_or(cpu);
        let ratio = cpu.saturating_sub(before) as f64 / 100.0 / elapsed_s;
        self.float(tick, &key("cpu_ratio"), ratio)?;
        let from_stat = [("minflt", 7), ("majflt", 9), ("utime", 11), ("stime", 12), ("threads", 17)];
        for (name, place) in from_stat {
            self.int(tick, &key(name), fields[place])?;
        }
        self.int(tick, &key("vsize_bytes"), fields[20])?;
        self.int(tick, &key("rss_bytes"), fields[21] * 4096)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut seen = [0i64; 3];
        let names = ["RssAnon:", "voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
        for line in status.lines() {
            for (slot, name) in seen.iter_mut().zip(names) {
                if let Some(rest) = line.strip_prefix(name) {
                    *slot = rest.split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(0);
                }
            }
        }
        self.int(tick, &key("rss_anon_kib"), seen[0])?;
        self.int(tick, &key("switches_voluntary"), seen[1])?;
        self.int(tick, &key("switches_forced"), seen[2])
    }
}

/// The numbers of `/proc/PID/stat` after the name: state is field 0, start time 19, resident pages 21.
fn stat_fields(pid: u32) -> Option<Vec<i64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = &text[text.rfind(')')? + 2..];
    let fields: Vec<i64> = after.split(' ').map(|w| w.trim().parse().unwrap_or(0)).collect();
    (fields.len() > 21).then_some(fields)
}
