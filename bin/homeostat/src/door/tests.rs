//! Who gets in, what is refused, and what a changing request waits for.
mod made_up;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use vocab::rows::ProfileRow;
use vocab::rule::Mode;

use super::state::EFFECT_WAIT;
use super::*;

/// A supervisor that has one service and refuses the rest.
struct OneService;

impl ServiceControl for OneService {
    fn control(&self, op: ServiceOp) -> Result<Vec<ServiceStatus>, String> {
        match op {
            ServiceOp::Stop { name } if name != "web" => Err(format!("there is no service `{name}`")),
            _ => Ok(vec![ServiceStatus { name: "web".to_owned(), ..ServiceStatus::default() }]),
        }
    }
}

/// Open doors on a made-up machine.
struct House {
    doors: Doors,
    url: String,
    dir: PathBuf,
    /// The next turn of a loop that obeys: no turn comes twice.
    next_turn: AtomicU64,
}

static HOUSES: AtomicU32 = AtomicU32::new(0);

impl House {
    fn new() -> Self {
        let house = Self::empty();
        for number in 1..=120_u32 {
            house.doors.publish(Arc::new(made_up::turn(u64::from(number), f64::from(number))), Mode::Advise);
        }
        house
    }

    fn empty() -> Self {
        Self::with(Readers::default())
    }

    fn with(readers: Readers) -> Self {
        let number = HOUSES.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("homeostat-doors-{}-{number}", std::process::id()));
        let config = DoorsConfig { port: None, socket: dir.join("h.sock"), readers };
        let (doors, addresses) = Doors::start(config, Arc::new(OneService)).expect("a port is free");
        Self { doors, url: addresses.url, dir, next_turn: AtomicU64::new(200) }
    }

    fn host(&self) -> &str {
        self.url.trim_start_matches("http://").split('/').next().expect("a host")
    }

    fn token(&self) -> &str {
        self.url.split("token=").nth(1).expect("a token")
    }

    /// Status, head and body of the answer to one request on the loopback port.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.host()).expect("the door is open");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.host());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        // A server that refuses a body may close before it has read all of it.
        let _ = write!(stream, "{head}\r\n{body}");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let answer = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        (status, head.to_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, Json) {
        let bearer = format!("Bearer {}", self.token());
        let (status, _, body) = self.ask("GET", path, &[("Authorization", &bearer)], "");
        (status, serde_json::from_str(&body).unwrap_or(Json::Null))
    }

    fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        let bearer = format!("Bearer {}", self.token());
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let (status, _, body) = self.ask("POST", path, &headers, &body.to_string());
        (status, serde_json::from_str(&body).unwrap_or(Json::Null))
    }

    /// A loop that obeys: it takes orders and publishes a turn for each, until `done`.
    fn obey<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let work = scope.spawn(work);
            let mut mode = Mode::Advise;
            // What was done stays done, so that whoever looks late still sees it.
            let mut turn = made_up::turn(0, 200.0);
            while !work.is_finished() {
                let Turn { ledger, learnt, parcels, .. } = turn;
                let number = self.next_turn.fetch_add(1, Ordering::Relaxed);
                turn = Turn { ledger, learnt, parcels, ..made_up::turn(number, 200.0) };
                for command in self.doors.take_commands() {
                    carry_out(&command, &mut turn, &mut mode);
                }
                self.doors.publish(Arc::new(turn.clone()), mode);
                thread::sleep(Duration::from_millis(20));
            }
            work.join().expect("no panic")
        })
    }
}

fn carry_out(command: &Command, turn: &mut Turn, mode: &mut Mode) {
    let ledger = Arc::make_mut(&mut turn.ledger);
    match command {
        Command::SetMode(to) => *mode = *to,
        Command::Undo(id) => {
            for row in Arc::make_mut(&mut ledger.actions).iter_mut().filter(|row| row.id == *id) {
                row.state = "undone".to_owned();
                row.can_undo = false;
            }
        }
        Command::Mute(id, until) => {
            let rows = Arc::make_mut(&mut ledger.incidents).iter_mut().filter(|row| row.id == *id);
            rows.for_each(|row| Arc::make_mut(row).muted_until = Some(*until));
        }
        Command::Judge(incident_id, opinion) => {
            let mut learn = learn::Learn::default();
            learn.judge(&learn::Judgement {
                incident_id: *incident_id,
                at: turn.snapshot.at.plus_seconds(1.0),
                opinion: *opinion,
                kind: "cpu_hog".to_owned(),
                name: "backup".to_owned(),
                cell: Some(("cpu_pct".to_owned(), 80.0)),
            });
            turn.learnt = learn.learnt().clone();
        }
        Command::ExportModels(name) => {
            let bytes = Arc::new(cycle::models::encode_parcel(&cycle::models::Parcel::default()));
            let entities = usize::from(name.as_deref() != Some("nobody"));
            turn.parcels.push(cycle::models::Exported {
                turn: turn.snapshot.turn,
                name: name.clone(),
                programs: 0,
                entities,
                bytes,
            });
        }
        Command::ImportModels { .. } | Command::UndoAll | Command::Change(_) => {}
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn without_the_token_nobody_gets_in() {
    let house = House::new();
    for path in ["/", "/app.js", "/api/status", "/api/events", "/metrics", "/nowhere"] {
        assert_eq!(house.ask("GET", path, &[], "").0, 401, "{path}");
        let wrong = [("Authorization", "Bearer 0000")];
        assert_eq!(house.ask("GET", path, &wrong, "").0, 401, "{path}");
    }
    let short = format!("/?token={}", &house.token()[1..]);
    assert_eq!(house.ask("GET", &short, &[], "").0, 401);
    assert_eq!(house.ask("GET", "/healthz", &[], "").0, 200);
}

#[test]
fn the_token_in_the_address_becomes_a_cookie() {
    let house = House::new();
    let (status, head, body) = house.ask("GET", &format!("/?token={}", house.token()), &[], "");
    assert_eq!(status, 200);
    assert!(
        head.contains("httponly; samesite=strict")
            && head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(body.contains("<title>Homeostat</title>"));
    let port = house.host().split(':').nth(1).expect("a port");
    let cookie = format!("other=1; homeostat_{port}={}", house.token());
    for asset in ["/app.js", "/draw.js", "/style.css", "/icon.svg", "/api/status"] {
        assert_eq!(house.ask("GET", asset, &[("Cookie", &cookie)], "").0, 200, "{asset}");
    }
}

#[test]
fn other_hosts_and_origins_are_refused_even_with_the_token() {
    let house = House::new();
    let bearer = format!("Bearer {}", house.token());
    let ask = |name: &str, value: &str| {
        house.ask("GET", "/api/status", &[("Authorization", &bearer), (name, value)], "").0
    };
    assert_eq!(ask("Host", "evil.example:7007"), 403);
    assert_eq!(ask("Host", "127.0.0.1"), 403);
    assert_eq!(ask("Origin", "http://evil.example"), 403);
    assert_eq!(ask("Origin", "null"), 403);
    assert_eq!(ask("Sec-Fetch-Site", "cross-site"), 403);
    let own = format!("http://{}", house.host());
    assert_eq!(ask("Origin", &own), 200);
    let form = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain")];
    assert_eq!(house.ask("POST", "/api/mode", &form, "{\"mode\":\"heal\"}").0, 415);
}

#[test]
fn an_incident_is_dismissed_and_what_follows_is_said() {
    let house = House::new();
    let judge = |incident: u64| {
        house.obey(|| house.post("/api/feedback", &json!({"incident": incident, "opinion": "dismiss"})))
    };
    let (status, answer) = judge(12);
    assert_eq!((status, &answer["feedback"]["verdict"]), (200, &json!("dismiss")), "{answer}");
    assert!(
        answer["feedback"]["sentence"].as_str().is_some_and(|text| text.contains("below 100 %")),
        "{answer}"
    );
    assert_eq!(judge(99).0, 404);
    assert_eq!(house.post("/api/feedback", &json!({"incident": 12, "opinion": "maybe"})).0, 400);
}

#[test]
fn models_go_out_and_what_comes_in_is_checked() {
    let house = House::new();
    let (status, answer) = house.obey(|| house.post("/api/model", &json!({"export": null})));
    assert!(
        status == 200 && answer["models"].as_str().is_some_and(|hex| hex.starts_with("484f4d45")),
        "{answer}"
    );
    assert_eq!(house.obey(|| house.post("/api/model", &json!({"export": "nobody"}))).0, 404);
    let import = |models: &str, source: &str| {
        let (status, answer) =
            house.post("/api/model", &json!({"import": {"source": source, "models": models}}));
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let empty = answer["models"].as_str().unwrap_or_default();
    for (models, source, what) in [
        ("xyz", "a", "not in hexadecimal"),
        ("00ff", "a", "no models of Homeostat"),
        (&empty[..empty.len() - 2], "a", "damaged"),
        (empty, "a", "nothing is in them"),
        (empty, "", "a source is a name"),
    ] {
        let (status, error) = import(models, source);
        assert!(status == 400 && error.contains(what), "{status} {error}");
    }
    let huge = "0".repeat(2 * cycle::models::PARCEL_BYTES_MAX + 4096);
    assert_eq!(import(&huge, "a").0, 413);
}

#[test]
fn sql_is_answered_and_hostile_sql_is_refused() {
    let house = House::new();
    let (status, answer) = house.post("/api/sql", &json!({"sql": "SELECT id FROM incidents ORDER BY id"}));
    assert_eq!((status, &answer["rows"]), (200, &json!([[11], [12], [13]])), "{answer}");
    for sql in [
        "DROP TABLE processes",
        "ATTACH '/etc/passwd' AS x",
        "PRAGMA writable_schema = 1",
        "SELECT load_extension('x')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT hex(zeroblob(1000000000))",
        "SELECT",
        "UPDATE processes SET rss_bytes = 0",
        "",
    ] {
        let (status, answer) = house.post("/api/sql", &json!({ "sql": sql }));
        assert_eq!(status, 400, "{sql}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|what| !what.is_empty()), "{sql}: {answer}");
    }
    assert_eq!(house.post("/api/sql", &json!({"sql": "SELECT 1"})).0, 200);
}

#[test]
fn a_large_body_is_refused() {
    let house = House::new();
    let (status, answer) = house.post("/api/sql", &json!({"sql": "x".repeat(100_000)}));
    assert_eq!(status, 413, "{answer}");
}

#[test]
fn a_request_that_changes_something_waits_for_its_effect() {
    let house = House::new();
    house.obey(|| {
        let (status, answer) = house.post("/api/mode", &json!({"mode": "heal"}));
        assert_eq!((status, &answer["before"]), (200, &json!("advise")), "{answer}");
        let (status, answer) = house.post("/api/undo", &json!({"action": 17}));
        assert_eq!((status, &answer["actions"][0]["state"]), (200, &json!("undone")), "{answer}");
        let (status, answer) = house.post("/api/mute", &json!({"incident": 12, "for_s": 60}));
        assert_eq!(status, 200, "{answer}");
    });
}

#[test]
fn what_cannot_be_done_says_so_and_a_loop_that_hangs_is_not_waited_for_long() {
    let house = House::new();
    assert_eq!(house.post("/api/undo", &json!({"action": 99})).0, 404);
    assert_eq!(house.post("/api/mute", &json!({"incident": 99, "for_s": 1})).0, 404);
    assert_eq!(house.post("/api/mode", &json!({"mode": "cure"})).0, 400);
    assert_eq!(house.post("/api/undo", &json!({"all": true, "action": 1})).0, 400);
    let (status, answer) = house.post("/api/service", &json!({"op": "stop", "name": "db"}));
    assert_eq!((status, &answer["error"]), (409, &json!("there is no service `db`")));
    assert_eq!(house.post("/api/service", &json!({"op": "list"})).1["services"][0]["name"], "web");
    let started = Instant::now();
    assert_eq!(house.post("/api/mode", &json!({"mode": "observe"})).0, 504);
    assert!(started.elapsed() < EFFECT_WAIT + Duration::from_secs(5));
}

#[test]
fn an_incident_comes_with_all_that_belongs_to_it() {
    let house = House::new();
    let (status, answer) = house.get("/api/incidents/12");
    assert_eq!(status, 200);
    let count = |name: &str| answer[name].as_array().map_or(0, Vec::len);
    assert_eq!((count("causes"), count("cells"), count("alternatives")), (4, 4, 2));
    assert_eq!((count("decisions"), count("actions"), count("stacks")), (1, 1, 2));
    for wrong in ["/api/incidents/99", "/api/incidents/x"] {
        assert_eq!(house.get(wrong).0, 404, "{wrong}");
    }
    let (_, status) = house.get("/api/status?history=1");
    assert_eq!((&status["is_healthy"], &status["counts"]["incidents"]), (&json!(false), &json!(2)));
    assert_eq!(status["history"].as_array().map(Vec::len), Some(120));
}

#[test]
fn an_incident_that_memory_holds_no_more_comes_from_the_store() {
    let dir = std::env::temp_dir().join(format!("homeostat-doors-past-{}", std::process::id()));
    let mut store = tables::Store::open(&dir).expect("a new one");
    let turn = made_up::turn(1, 1.0);
    let mut old = (*turn.ledger).clone();
    let (incidents, evidence) = (Arc::make_mut(&mut old.incidents), Arc::make_mut(&mut old.evidence));
    incidents.retain(|row| row.id == 12);
    incidents.iter_mut().for_each(|row| Arc::make_mut(row).id = 3);
    evidence.retain(|row| row.incident_id == 12);
    evidence.iter_mut().for_each(|row| Arc::make_mut(row).incident_id = 3);
    Arc::make_mut(&mut old.decisions).iter_mut().for_each(|row| row.incident_id = Some(3));
    Arc::make_mut(&mut old.actions).iter_mut().for_each(|row| row.incident_id = Some(3));
    store.save(&old, &[]).expect("writable");
    let house = House::with(Readers { past: store.past(), ..Readers::default() });
    house.doors.publish(Arc::new(turn), Mode::Advise);
    let (status, answer) = house.get("/api/incidents/3");
    let count = |name: &str| answer[name].as_array().map_or(0, Vec::len);
    assert_eq!((status, &answer["incident"]["id"]), (200, &json!(3)));
    assert_eq!((count("causes"), count("cells"), count("alternatives")), (4, 4, 2));
    assert_eq!((count("decisions"), count("actions")), (old.decisions.len(), old.actions.len()));
    assert_eq!(house.get("/api/incidents/4").0, 404);
    drop(store);
    std::fs::remove_dir_all(dir).expect("ours");
}

#[test]
fn metrics_are_prometheus_text() {
    let house = House::new();
    let bearer = format!("Bearer {}", house.token());
    let (status, _, text) = house.ask("GET", "/metrics", &[("Authorization", &bearer)], "");
    assert_eq!(status, 200);
    assert!(text.contains("\nhomeostat_machine_load_1 2.41\n"), "{text}");
    assert!(text.contains("homeostat_incidents_open{severity=\"critical\"} 1\n"), "{text}");
    assert!(
        text.contains("homeostat_service_anon_bytes{name=\"checkout\",manager=\"homeostat\"} 734003200\n"),
        "{text}"
    );
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
    }
}

#[test]
fn the_stacks_of_an_incident_are_drawn_and_may_load_nothing() {
    let house = House::new();
    let bearer = format!("Bearer {}", house.token());
    let ask = |path: &str| house.ask("GET", path, &[("Authorization", &bearer)], "");
    let (status, head, svg) = ask("/api/incidents/12/flame.svg");
    assert_eq!(status, 200);
    assert!(
        head.contains("image/svg+xml") && head.contains("default-src 'none'; style-src 'unsafe-inline'"),
        "{head}"
    );
    assert!(
        svg.contains("Pool.grow · ") && svg.contains("Cart&lt;add&gt;") && svg.contains("90.0 %"),
        "{svg}"
    );
    let others = house.get("/api/incidents");
    let without =
        others.1["incidents"].as_array().expect("incidents").iter().find(|row| row["id"] != json!(12));
    let path = format!("/api/incidents/{}/flame.svg", without.expect("another")["id"]);
    assert_eq!(house.get(&path).0, 404);
    let (_, page, _) = ask("/api/status");
    assert!(!page.contains("unsafe-inline"), "{page}");
}

#[test]
fn who_keeps_memory_is_shown_before_who_touches_it_if_it_was_watched_for_long_enough() {
    let turn = made_up::turn(1, 1.0);
    let incident = turn.ledger.incidents.iter().find(|row| row.id == 12).expect("a leak");
    for (watched_s, shown) in [(5.0, "memory_kept"), (0.4, "memory_growth")] {
        let kept = |row: &ProfileRow| ProfileRow { kind: "memory_kept".to_owned(), watched_s, ..row.clone() };
        let touched = turn.snapshot.profiles.iter();
        let rows = touched.clone().cloned().chain(touched.map(kept)).collect::<Vec<_>>();
        let found = crate::flame::rows_of(&rows, &turn.ledger, incident);
        assert!(found.len() == 2 && found.iter().all(|row| row.kind == shown), "{watched_s}: {found:?}");
    }
}

#[test]
fn a_stranger_sees_what_proc_shows_and_no_more() {
    let turn = made_up::turn(1, 1.0);
    let entry = Entry { token: String::new(), port: None, daemon_uid: 0, proc_hides: false };
    let published = state::Published { turn: Arc::new(turn), mode: Mode::Advise, published: Instant::now() };
    let view = |uid, hides| {
        let entry = Entry { proc_hides: hides, ..entry.clone() };
        scope::view_for(entry::Caller::Stranger { uid }, &entry, &published)
    };
    let seen = view(1000, false);
    let descriptors = seen.snapshot.processes.iter().map(|one| one.descriptors).collect::<Vec<_>>();
    assert_eq!(descriptors, [None, Some(77)]);
    assert!(seen.events.iter().all(|row| row.kind != "service_log"));
    assert!(seen.ledger.evidence.iter().all(|row| row.source_column.as_deref() != Some("descriptors")));
    assert!(seen.snapshot.profiles.is_empty(), "none is of a process of this user");
    assert!(seen.snapshot.gpu_calls.is_empty(), "nor these");
    let shown = seen.ledger.evidence.first().expect("some is for everybody").clone();
    for table in ["profiles", "gpu_calls", "syscalls"] {
        let row = vocab::rows::EvidenceRow { source_table: Some(table.into()), ..(*shown).clone() };
        assert!(scope::is_public_evidence(&shown) && !scope::is_public_evidence(&row), "{table}");
        assert!(!seen.ledger.evidence.iter().any(|row| row.source_table.as_deref() == Some(table)));
    }
    assert_eq!(view(1000, true).snapshot.processes.len(), 1);
    assert!(entry::Caller::Stranger { uid: 1000 }.may_change().is_err());
}

#[test]
fn a_turn_is_heard_as_it_happens() {
    let house = House::new();
    let mut stream = TcpStream::connect(house.host()).expect("open");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let (host, token) = (house.host(), house.token());
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")
        .expect("written");
    let mut heard = String::new();
    let mut bytes = [0; 4096];
    for wanted in ["\"turn\":120,", "\"turn\":121,"] {
        while !heard.contains(wanted) {
            let length = stream.read(&mut bytes).expect("a turn is heard within 5 s");
            heard += &String::from_utf8_lossy(&bytes[..length]);
        }
        house.doors.publish(Arc::new(made_up::turn(121, 0.0)), Mode::Advise);
    }
}

#[test]
fn a_taken_port_is_an_error_only_when_it_was_asked_for() {
    let house = House::empty();
    let port = house.host().split(':').nth(1).and_then(|port| port.parse().ok());
    let other = House::empty();
    assert_ne!(house.host(), other.host());
    let dir = house.dir.join("second");
    let config = |port, socket| DoorsConfig { port, socket, readers: Readers::default() };
    let error =
        Doors::start(config(port, dir.join("h.sock")), Arc::new(OneService)).map(drop).expect_err("taken");
    assert!(error.what.contains("address already in use") && error.hint.contains("--port"), "{error}");
    let error = Doors::start(config(None, house.dir.join("h.sock")), Arc::new(OneService))
        .map(drop)
        .expect_err("taken");
    assert!(error.what.contains("another Homeostat answers"), "{error}");
    assert_eq!(house.get("/api/status").0, 503);
}

/// With `HOMEOSTAT_SHOW_PAGE_S=600 cargo test look_at -- --nocapture` the page of the made-up machine stays
/// open for so long, to be looked at.
#[test]
fn the_page_can_be_looked_at() {
    let house = House::new();
    let seconds = std::env::var("HOMEOSTAT_SHOW_PAGE_S").ok().and_then(|word| word.parse::<u64>().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let mut number = 121;
    println!("{}", house.url);
    while Instant::now() < end {
        thread::sleep(Duration::from_secs(1));
        house.doors.publish(Arc::new(made_up::turn(number, number as f64 % 120.0)), Mode::Advise);
        number += 1;
    }
    let (_, _, page) = house.ask("GET", &format!("/?token={}", house.token()), &[], "");
    let ids = page.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>();
    let (_, _, script) =
        house.ask("GET", "/app.js", &[("Authorization", &format!("Bearer {}", house.token()))], "");
    for wanted in script.split("$(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&wanted), "the script looks for `{wanted}`, which the page lacks");
    }
}
