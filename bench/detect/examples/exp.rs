//! scratch
use bench_detect::{
    data::nab,
    score::{nab as sn, vus},
};
use std::path::Path;

pub struct Tail {
    q: f64,
    me: f64,
    sc: f64,
    n: f64,
    rate: f64,
    slow: f64,
}
impl Tail {
    fn new(rate: f64, slow: f64) -> Self {
        Tail { q: 0., me: 0., sc: 0., n: 0., rate, slow }
    }
    /// -log10 p
    fn push(&mut self, s: f64) -> f64 {
        self.n += 1.0;
        if self.n == 1.0 {
            self.q = s;
            self.sc = s.abs().max(1e-9);
            self.me = self.sc;
            return 0.;
        }
        let r = if s > self.q && self.me > 0. {
            -(self.rate.log10()) + (s - self.q) / self.me * std::f64::consts::LOG10_E
        } else {
            0.0
        };

        let a = (1.0 / self.n).max(0.001);
        self.sc += a * ((s - self.q).abs().min(5.0 * self.sc + 1e-12) - self.sc);
        let g = (4.0 / self.n).max(0.02) * self.sc.max(1e-12);
        if s > self.q {
            let e = (s - self.q).min(10.0 * self.me + 1e-12);
            self.me += (2.0 / (2.0 + self.n * self.rate)).max(self.slow) * (e - self.me);
            self.q += g * (1.0 - self.rate) * 1.0;
        } else {
            self.q -= g * self.rate;
        }
        r
    }
}
// EWMA z
fn ewz(x: &[f64], a: f64) -> Vec<f64> {
    let (mut m, mut v) = (x[0], 0.0f64);
    let mut out = vec![];
    for (i, &y) in x.iter().enumerate() {
        let a = a.max(1.0 / (i as f64 + 2.0));
        let sd = v.sqrt().max(1e-6 * m.abs()).max(1e-9);
        let d = y - m;
        out.push((d / sd).abs().min(50.0));
        let dc = d.clamp(-6.0 * sd - 1e-9, 6.0 * sd + 1e-9);
        let _ = dc;
        m += a * d;
        v = (1.0 - a) * (v + a * d * d);
    }
    out
}
// lag-domain nearest neighbour
fn lagnn(x: &[f64], n: usize, len: f64, kmin: usize, centred: bool) -> Vec<f64> {
    let lam = (1.0 - 1.0 / len) as f32;
    let mut d = vec![0f32; n];
    let mut m = vec![0f32; n];
    let mut out = vec![];
    for t in 0..x.len() {
        let mut best = f32::MAX;
        let top = n.min(t);
        for k in 0..top {
            let e = x[t] as f32 - x[t - 1 - k] as f32;
            d[k] = lam * d[k] + e * e;
            if centred {
                m[k] = lam * m[k] + e;
            }
            let v = if centred { d[k] - m[k] * m[k] * (1.0 - lam) } else { d[k] };
            if k >= kmin && t - k > len as usize {
                best = best.min(v)
            }
        }
        out.push(if best == f32::MAX { 0.0 } else { (best.max(0.0) as f64 / len).sqrt() });
    }
    out
}
fn hst(x: &[f64], trees: usize, depth: usize, sh: usize, win: usize, seed: u64) -> Vec<f64> {
    // shingle features: x_t.. lagged; range by running robust scale (mean +- 4 sd) at window swap
    let mut s = seed;
    let mut rnd = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 11) as f64 / (1u64 << 53) as f64
    };
    let nn = (1usize << (depth + 1)) - 1;
    let (mut m, mut v) = (x[0], 0.0f64);
    let mut dims = vec![vec![0usize; nn]; trees];
    let mut cut = vec![vec![0f64; nn]; trees];
    for t in 0..trees {
        let mut lo = vec![vec![0f64; sh]; nn];
        let mut hi = vec![vec![1f64; sh]; nn];
        for k in 0..sh {
            let q = rnd();
            let w = 2.0 * q.max(1.0 - q);
            lo[0][k] = q - w;
            hi[0][k] = q + w;
        }
        for i in 0..nn {
            let k = (rnd() * sh as f64) as usize;
            dims[t][i] = k;
            cut[t][i] = (lo[i][k] + hi[i][k]) / 2.0;
            for (c, left) in [(2 * i + 1, true), (2 * i + 2, false)] {
                if c < nn {
                    lo[c] = lo[i].clone();
                    hi[c] = hi[i].clone();
                    if left { hi[c][k] = cut[t][i] } else { lo[c][k] = cut[t][i] }
                }
            }
        }
    }
    let mut r = vec![vec![0f64; nn]; trees];
    let mut l = vec![vec![0f64; nn]; trees];
    let mut out = vec![];
    let mut ready = false;
    for (i, &y) in x.iter().enumerate() {
        let a = (1.0 / (i as f64 + 2.0)).max(0.001);
        let d = y - m;
        m += a * d;
        v = (1.0 - a) * (v + a * d * d);
        let sd = v.sqrt().max(1e-9);
        let f: Vec<f64> = (0..sh)
            .map(|k| {
                let z = (x[i.saturating_sub(k)] - m) / (8.0 * sd) + 0.5;
                z.clamp(-0.5, 1.5)
            })
            .collect();
        let mut sc = 0.0;
        for t in 0..trees {
            let mut n = 0;
            let mut depth_ = 0;
            loop {
                l[t][n] += 1.0;
                if ready {
                    if r[t][n] < 0.02 * win as f64 * 1.0 || 2 * n + 2 >= nn {
                        sc += r[t][n] * (1u64 << depth_) as f64;
                        break;
                    }
                }
                if 2 * n + 2 >= nn {
                    break;
                }
                n = if f[dims[t][n]] < cut[t][n] { 2 * n + 1 } else { 2 * n + 2 };
                depth_ += 1;
            }
            if ready {
                while 2 * n + 2 < nn {
                    n = if f[dims[t][n]] < cut[t][n] { 2 * n + 1 } else { 2 * n + 2 };
                    l[t][n] += 1.0;
                }
            }
        }
        out.push(if ready { -(sc / trees as f64 + 1.0).log2() + 40.0 } else { 0.0 });
        if (i + 1) % win == 0 {
            std::mem::swap(&mut r, &mut l);
            for q in &mut l {
                q.fill(0.0)
            }
            ready = true;
        }
    }
    out
}
fn alarms(p: &[f64], thr: f64, refr: usize, up: f64) -> Vec<bool> {
    let mut out = vec![false; p.len()];
    let mut last: Option<(usize, f64)> = None;
    for i in 0..p.len() {
        if p[i] >= thr {
            let ok = match last {
                Some((j, s)) if i - j < refr => p[i] > up * s,
                _ => true,
            };
            if ok {
                out[i] = true;
                last = Some((i, p[i]));
            }
        }
    }
    out
}
fn tally_of(p: &[f64], s: &nab::Series, thr: f64, refr: usize, up: f64) -> sn::Tally {
    sn::tally(&alarms(p, thr, refr, up), &s.windows)
}
/// best threshold score, 2-fold (threshold from the other half), at low fp too
fn report(name: &str, all: &[nab::Series], ps: &[Vec<f64>], refr: usize, up: f64) {
    let grid: Vec<f64> = (0..120).map(|i| 1.5 * 1.03f64.powi(i)).collect();
    let mut tot = vec![];
    let mut folds = vec![vec![]; 2];
    for &g in &grid {
        let mut a = sn::Tally::default();
        let mut f = [sn::Tally::default(); 2];
        for (i, s) in all.iter().enumerate() {
            let t = tally_of(&ps[i], s, g, refr, up);
            a.add(t);
            f[i % 2].add(t);
        }
        tot.push(a);
        for k in 0..2 {
            folds[k].push(f[k]);
        }
    }
    let best = |v: &Vec<sn::Tally>, p| {
        (0..v.len()).max_by(|&a, &b| v[a].score(p).total_cmp(&v[b].score(p))).unwrap()
    };
    let b = best(&tot, sn::STANDARD);
    let b0 = best(&folds[0], sn::STANDARD);
    let b1 = best(&folds[1], sn::STANDARD);
    let mut x = folds[0][b1];
    x.add(folds[1][b0]);
    println!(
        "{name:34} std {:5.1} @{:.1} fp {:3} miss {:2} | lowfp {:5.1} lowfn {:5.1} | 2fold {:5.1}",
        tot[b].score(sn::STANDARD),
        grid[b],
        tot[b].false_alarms,
        tot[b].missed,
        tot[best(&tot, sn::LOW_FP)].score(sn::LOW_FP),
        tot[best(&tot, sn::LOW_FN)].score(sn::LOW_FN),
        x.score(sn::STANDARD)
    );
}
fn tails(v: &[f64], rate: f64) -> Vec<f64> {
    tails2(v, rate, 0.02)
}
fn tails2(v: &[f64], rate: f64, slow: f64) -> Vec<f64> {
    let mut t = Tail::new(rate, slow);
    v.iter().map(|&s| t.push(s)).collect()
}
fn ma(v: &[f64], n: usize) -> Vec<f64> {
    let mut s = 0.0;
    (0..v.len())
        .map(|i| {
            s += v[i];
            if i >= n {
                s -= v[i - n];
            }
            s / n.min(i + 1) as f64
        })
        .collect()
}
fn vusr(name: &str, all: &[nab::Series], ps: &[Vec<f64>]) {
    let mut s = 0.0;
    let mut n = 0.0;
    for (i, x) in all.iter().enumerate() {
        if let Some(v) = vus::vus_pr(&x.labels(), &ps[i], vus::edge_width(&x.values)) {
            s += v;
            n += 1.0;
        }
    }
    println!("{name:34} VUS-PR {:.3} ({n})", s / n);
}

fn add(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(x, y)| x + y).collect()).collect()
}
fn mx(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(x, y)| x.max(*y)).collect()).collect()
}
fn tl(a: &[Vec<f64>], rate: f64) -> Vec<Vec<f64>> {
    a.iter().map(|v| tails(v, rate)).collect()
}
fn lg(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    a.iter()
        .map(|v| {
            let mut m = 0.0;
            v.iter()
                .enumerate()
                .map(|(i, x)| {
                    m += (x - m) * (1.0 / (i as f64 + 1.0)).max(0.001);
                    (x / (m + 1e-12) + 0.1).ln()
                })
                .collect()
        })
        .collect()
}

fn alarms3(p: &[f64], thr: f64, refr: usize, grow: f64, up: f64) -> Vec<bool> {
    let mut out = vec![false; p.len()];
    let mut quiet = usize::MAX / 2;
    let mut last = 0.0;
    for i in 0..p.len() {
        let need = thr + grow * ((i as f64 + 1.0) / 1000.0).log10().max(0.0);
        if p[i] >= need && (quiet >= refr || p[i] > up * last) {
            out[i] = true;
            quiet = 0;
            last = p[i];
        } else {
            quiet += 1;
        }
    }
    out
}
fn rep3(name: &str, all: &[nab::Series], ps: &[Vec<f64>], refr: usize, grow: f64, up: f64) {
    let grid: Vec<f64> = (0..110).map(|i| 1.2 * 1.03f64.powi(i)).collect();
    let ts: Vec<Vec<sn::Tally>> = grid
        .iter()
        .map(|&g| {
            all.iter()
                .enumerate()
                .map(|(i, s)| sn::tally(&alarms3(&ps[i], g, refr, grow, up), &s.windows))
                .collect()
        })
        .collect();
    let sc = |g: usize, f: &dyn Fn(usize) -> bool, p| {
        let mut a = sn::Tally::default();
        for i in 0..all.len() {
            if f(i) {
                a.add(ts[g][i])
            }
        }
        (a.score(p), a)
    };
    let best = |f: &dyn Fn(usize) -> bool, p| {
        (0..grid.len()).max_by(|&a, &b| sc(a, f, p).0.total_cmp(&sc(b, f, p).0)).unwrap()
    };
    let b = best(&|_| true, sn::STANDARD);
    let mut cv = 0.0;
    let mut rs = 88172645463325252u64;
    for _ in 0..20 {
        rs ^= rs << 13;
        rs ^= rs >> 7;
        rs ^= rs << 17;
        let m = rs;
        let bit = |i: usize| (m >> (i + 5)) & 1 == 1;
        let b1 = best(&|i| bit(i), sn::STANDARD);
        let b0 = best(&|i| !bit(i), sn::STANDARD);
        let mut x = sc(b1, &|i| !bit(i), sn::STANDARD).1;
        x.add(sc(b0, &|i| bit(i), sn::STANDARD).1);
        cv += x.score(sn::STANDARD) / 20.0;
    }
    let (v, a) = sc(b, &|_| true, sn::STANDARD);
    let lo = best(&|_| true, sn::LOW_FP);
    let ln = best(&|_| true, sn::LOW_FN);
    println!(
        "cv {cv:5.1} std {v:5.1} @{:.1} fp {:3} miss {:2} lowfp {:5.1}@{:.1} lowfn {:5.1}@{:.1} {name}",
        grid[b],
        a.false_alarms,
        a.missed,
        sc(lo, &|_| true, sn::LOW_FP).0,
        grid[lo],
        sc(ln, &|_| true, sn::LOW_FN).0,
        grid[ln]
    );
}
fn asin(x: &[f64], c: f64) -> Vec<f64> {
    let (mut m, mut s) = (x[0], x[0].abs().max(1e-9));
    let mut o = vec![];
    for (i, &y) in x.iter().enumerate() {
        let a = (1.0 / (i as f64 + 2.0)).max(0.002);
        m += a * (y - m).clamp(-3.0 * s, 3.0 * s);
        s += a * ((y - m).abs().min(3.0 * s) - s);
        o.push(((y - 0.0 * m) / (c * s + 1e-9)).asinh());
    }
    o
}

fn lg2(a: &[Vec<f64>], off: f64, al: f64) -> Vec<Vec<f64>> {
    a.iter()
        .map(|v| {
            let mut m = 0.0;
            v.iter()
                .enumerate()
                .map(|(i, x)| {
                    m += (x - m) * (1.0 / (i as f64 + 1.0)).max(al);
                    (x / (m + 1e-12) + off).ln()
                })
                .collect()
        })
        .collect()
}

fn lagst(x: &[f64], n: usize, len: f64, kmin: usize, st: usize) -> Vec<f64> {
    let lam = (1.0 - 1.0 / len) as f32;
    let mut d = vec![0f32; n / st + 1];
    let mut out = vec![];
    for t in 0..x.len() {
        let mut best = f32::MAX;
        let top = n.min(t);
        let mut k = st - 1;
        while k < top {
            let e = x[t] as f32 - x[t - 1 - k] as f32;
            let v = lam * d[k / st] + e * e;
            d[k / st] = v;
            if k >= kmin && t - k > len as usize {
                best = best.min(v)
            }
            k += st;
        }
        out.push(if best == f32::MAX { 0.0 } else { (best.max(0.0) as f64 / len).sqrt() });
    }
    out
}

fn dens(x: &[f64], n: usize, st: usize, hf: f64, sm: f64) -> Vec<f64> {
    let (mut m, mut v) = (x[0], 0.0f64);
    let mut o = 0.0;
    let mut out = vec![];
    for i in 0..x.len() {
        let y = x[i];
        let a = (1.0 / (i as f64 + 2.0)).max(0.001);
        let d = y - m;
        m += a * d;
        v = (1.0 - a) * (v + a * d * d);
        let h = hf * v.sqrt().max(1e-9);
        let mut c = 0;
        let mut tot = 0;
        let mut k = st;
        while k <= n && k <= i {
            if (y - x[i - k]).abs() < h {
                c += 1
            }
            tot += 1;
            k += st;
        }
        let r = -((c as f64 + 0.5) / (tot as f64 + 1.0)).log2();
        o += (r - o) / sm;
        out.push(if tot < 20 { 0.0 } else { o });
    }
    out
}

use learning::univariate::{nearest::Nearest, tail::Tail as T2};

fn main() {
    let all = nab::load(Path::new("/tmp/data-learn")).unwrap();
    let mut sur = vec![];
    let mut rng = vec![];
    let t0 = std::time::Instant::now();
    let mut n = 0;
    let mut ta = sn::Tally::default();
    for s in &all {
        let mut d = learning::univariate::Tier1::new(learning::univariate::ALARM_SURPRISE);
        let r: Vec<_> = s.values.iter().map(|&v| d.push(v).unwrap()).collect();
        n += r.len();
        ta.add(sn::tally(&r.iter().map(|r| r.alarm).collect::<Vec<_>>(), &s.windows));
        sur.push(r.iter().map(|r| r.surprise).collect::<Vec<_>>());
        rng.push(r.iter().map(|r| r.range).collect::<Vec<_>>());
    }
    println!(
        "us/sample {} fixed {:.1} {:.1} {:.1} fp {} miss {}",
        t0.elapsed().as_secs_f64() / n as f64 * 1e6,
        ta.score(sn::STANDARD),
        ta.score(sn::LOW_FP),
        ta.score(sn::LOW_FN),
        ta.false_alarms,
        ta.missed
    );
    for r in [30, 50, 60, 80, 120] {
        rep3(&format!("tier1 refr {r}"), &all, &sur, r, 0.0, 99.0);
    }
    vusr("tier1", &all, &rng);
    let mut sur = vec![];
    let mut rng = vec![];
    let t0 = std::time::Instant::now();
    for s in &all {
        let mut d = learning::univariate::Tier0::new(3.0);
        let r: Vec<_> = s.values.iter().map(|&v| d.push(v).unwrap()).collect();
        sur.push(r.iter().map(|r| r.surprise).collect::<Vec<_>>());
        rng.push(r.iter().map(|r| r.range).collect::<Vec<_>>());
    }
    println!("us/sample {}", t0.elapsed().as_secs_f64() / n as f64 * 1e6);
    for r in [30, 50, 80, 120] {
        rep3(&format!("tier0 refr {r}"), &all, &sur, r, 0.0, 99.0);
    }
    vusr("tier0", &all, &rng);
}
