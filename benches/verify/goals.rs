//! What the measurements must reach. A goal is judged only at the size that it was set for.

use crate::verify::{
    keys::show_count, load::Slice, peers::BETTER_AUTH, peers::EXPRESS_ES256, peers::EXPRESS_RS256, product::Product,
    rounds::Row, rows::CURRENT, rows::INTROSPECT, rows::ON_POSTGRES, rows::PEER, rows::SIGNING_IN, rows::UNIFORM,
    rows::UNKNOWN, rows::VERIFY, rows::WRITING, rows::ZIPF, spread::Spread,
};

/// One line of the table of goals.
pub struct Goal {
    pub what: String,
    pub goal: String,
    pub measured: String,
    pub verdict: String,
}

impl Goal {
    pub fn new(what: impl Into<String>, goal: impl Into<String>, measured: String, verdict: String) -> Self {
        Self { what: what.into(), goal: goal.into(), measured, verdict }
    }
}

/// The side of the limit that is good.
#[derive(Clone, Copy)]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }

    /// The verdict, unless there is a `doubt`: a reason why the value says nothing about the goal.
    pub fn judge(self, value: f64, doubt: Option<String>) -> String {
        match doubt {
            Some(doubt) => format!("not judged: {doubt}"),
            None if self.is_met(value) => "met".into(),
            None => "**missed**".into(),
        }
    }

    pub fn show(self, unit: &str) -> String {
        match self {
            Self::AtLeast(limit) => format!("≥ {limit} {unit}"),
            Self::AtMost(limit) => format!("≤ {limit} {unit}"),
        }
    }
}

const MILLION: u64 = 1_000_000;
/// Below this share of its cores, something else than the server was the limit.
const SATURATED: f64 = 0.95;

pub fn other_size(keys: u64, wanted: u64) -> Option<String> {
    (keys != wanted).then(|| format!("the goal is for {} keys", show_count(wanted)))
}

fn share(slice: &Slice) -> f64 {
    slice.share
}

fn starved(share: Option<Spread>) -> Option<String> {
    let share = share.map_or(0.0, |share| share.median);
    (share < SATURATED).then(|| format!("a server had only {share:.3} of its cores"))
}

/// The goals about rows; a row without rounds has none.
pub fn of_rows(rows: &[Row]) -> Vec<Goal> {
    let named = |what| rows.iter().filter(move |row: &&Row| row.what == what && !row.rounds.is_empty());
    let ratio = |what: &str, name: &str, keys: u64, limit: Limit, of: fn(&Slice) -> f64| {
        ratio(rows, what, name, keys, limit, "× bare", of)
    };
    let (rate, p99) = (|slice: &Slice| slice.rate, |slice: &Slice| slice.p99);
    let verification = [
        ratio("verify a live key, 1M keys, Zipf 0.99", ZIPF, MILLION, Limit::AtLeast(0.95), rate),
        ratio("verify a live key, 10M keys, uniform", UNIFORM, 10 * MILLION, Limit::AtLeast(0.88), rate),
        growth(&named(UNIFORM).collect::<Vec<_>>()),
        ratio("flood of unknown keys, 10M keys", UNKNOWN, 10 * MILLION, Limit::AtLeast(0.95), rate),
        ratio("p99 under that load, 1M keys, Zipf 0.99", ZIPF, MILLION, Limit::AtMost(1.15), p99),
        ratio(CURRENT, CURRENT, MILLION, Limit::AtLeast(0.7), rate),
        ratio(VERIFY, VERIFY, MILLION, Limit::AtLeast(0.7), rate),
        ratio(INTROSPECT, INTROSPECT, MILLION, Limit::AtLeast(0.7), rate),
    ];
    let mut goals: Vec<_> = verification.into_iter().flatten().collect();
    goals.extend(named(WRITING).filter_map(writing));
    goals.extend(named(SIGNING_IN).filter_map(signing_in).flatten());
    goals.extend(named(PEER).filter_map(peer));
    goals
}

/// The goals about checks of a node on PostgreSQL.
pub fn of_postgres(rows: &[Row]) -> Vec<Goal> {
    let ratio = |what: &str, limit: Limit, of: fn(&Slice) -> f64| {
        ratio(rows, what, ON_POSTGRES, MILLION, limit, "× SQLite", of)
    };
    let goals = [
        ratio("verify a live key on PostgreSQL, 1M keys, Zipf 0.99", Limit::AtLeast(0.95), |slice| slice.rate),
        ratio("p99 under that load, 1M keys, Zipf 0.99", Limit::AtMost(1.15), |slice| slice.p99),
    ];
    goals.into_iter().flatten().collect()
}

/// Subject over reference in the row of that name, at the size of the goal or else the largest.
fn ratio(
    rows: &[Row],
    what: &str,
    name: &str,
    keys: u64,
    limit: Limit,
    unit: &str,
    of: fn(&Slice) -> f64,
) -> Option<Goal> {
    let named = || rows.iter().filter(|row| row.what == name && !row.rounds.is_empty());
    let row = named().find(|row| row.keys == keys).or_else(|| named().max_by_key(|row| row.keys))?;
    let ratio = row.ratio(of)?;
    let starved = || starved(row.subjects(share)).or_else(|| starved(row.references(share)));
    let verdict = limit.judge(ratio.median, other_size(row.keys, keys).or_else(starved));
    Some(Goal::new(what, limit.show(unit), format!("{}, {}", ratio.show(3), show_count(row.keys)), verdict))
}

/// Each side is compared with the bare server of the same moment, so that the machine's drift cancels out.
fn growth(rows: &[&Row]) -> Option<Goal> {
    let [small, .., large] = rows else { return None };
    let growth = (large.ratio(|slice| slice.cost)?.median / small.ratio(|slice| slice.cost)?.median - 1.0) * 100.0;
    let doubt = other_size(small.keys, 1_000).or_else(|| other_size(large.keys, 10 * MILLION));
    let measured = format!("{growth:+.1} % ({})", show_count(large.keys));
    let verdict = Limit::AtMost(15.0).judge(growth, doubt);
    Some(Goal::new("cost per request from 1k to 10M keys, uniform", "grows < 15 %", measured, verdict))
}

/// Verification while keys are created and revoked, against the same without. With one core, the writer and the two
/// thousand requests per second that it serves take turns with the checks.
fn writing(row: &Row) -> Option<Goal> {
    let most = if row.subject.server.cores == 1 { 2.5 } else { 1.5 };
    let (limit, ratio) = (Limit::AtMost(most), row.ratio(|slice| slice.p99)?);
    let pace = Spread::of(row.rounds.iter().map(|round| round.beside.rate / 2.0))?;
    // Slow writers make the goal easier. The writers keep the server from saturation; only the idle side must reach it.
    let slow = (limit.is_met(ratio.median) && pace.least < 900.0).then(|| "fewer than 900 keys/s were created".into());
    let verdict = limit.judge(ratio.median, slow.or_else(|| starved(row.references(share))));
    let measured = format!("{}, {}, {:.0} keys/s", ratio.show(3), show_count(row.keys), pace.median);
    Some(Goal::new(row.what, format!("p99 {}", limit.show("× idle")), measured, verdict))
}

/// Verification and memory while many sign in, against the same without.
fn signing_in(row: &Row) -> Option<[Goal; 3]> {
    let (ratio, p99) = (row.ratio(|slice| slice.rate)?, row.subjects(|slice| slice.p99 / 1000.0)?);
    let floods = || row.rounds.iter().map(|round| round.beside);
    let hashed = Spread::of(floods().map(|flood| flood.rate))?.median;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (most, idle) = (floods().map(|flood| flood.most).max()?, floods().map(|flood| flood.idle).min()?);
    let measured = format!("{}, {}, {hashed:.0} passwords hashed/s", ratio.show(3), show_count(row.keys));
    let tail = format!("{:.2} ms ({:.2}–{:.2})", p99.median, p99.least, p99.most);
    let memory = format!("{:.0} MiB max, {:.0} MiB idle", mebibytes(most), mebibytes(idle));
    let memory_verdict = match floods().all(|flood| flood.is_released) {
        true => Limit::AtMost(128.0).judge(mebibytes(most), other_size(row.keys, 10_000)),
        false => "**missed**: not released within 10 s".into(),
    };
    Some([
        Goal::new(row.what, "≥ 0.33 × idle", measured, Limit::AtLeast(0.33).judge(ratio.median, None)),
        Goal::new("its p99", "≤ 5 ms", tail, Limit::AtMost(5.0).judge(p99.median, None)),
        Goal::new("its memory", "≤ 128 MiB, released within 10 s", memory, memory_verdict),
    ])
}

/// The product against a peer in requests per second.
fn peer(row: &Row) -> Option<Goal> {
    let (what, ratio) = (format!("against {}", row.against), row.ratio(|slice| slice.rate)?);
    let measured = format!("{:.1} × ({:.1}–{:.1})", ratio.median, ratio.least, ratio.most);
    let least = match row.against {
        EXPRESS_RS256 | EXPRESS_ES256 => 15.0,
        BETTER_AUTH => 80.0,
        _ => return Some(Goal::new(what, "–", measured, String::new())),
    };
    // A peer may wait for its disk; only the product must be saturated.
    let verdict = Limit::AtLeast(least).judge(ratio.median, starved(row.subjects(share)));
    Some(Goal::new(what, format!("≥ {least} ×"), measured, verdict))
}

/// Memory at every size, after the load, because the load adds to it; and how soon the largest product starts.
pub fn of_starts(loaded: &[(&Product, u64)]) -> Vec<Goal> {
    let memory = |&(product, used): &(&Product, u64)| {
        let (keys, per_key) = (product.population.keys, product.per_key(used));
        let (used, allowed) = (used as f64, keys as f64 * 100.0 + 30e6);
        let (megabytes, limit) = (used / 1e6, allowed / 1e6);
        let measured = format!("{megabytes:.1} MB of {limit:.1} MB allowed, {per_key:.0} bytes per key");
        let what = format!("memory after load, {} keys", show_count(keys));
        Goal::new(what, "≤ 100 bytes per key + 30 MB", measured, Limit::AtMost(allowed).judge(used, None))
    };
    let mut goals: Vec<_> = loaded.iter().map(memory).collect();
    if let Some((product, _)) = loaded.last() {
        let keys = product.population.keys;
        for (what, seconds, limit) in [
            ("answering after start, 10M keys", product.answering, 0.5),
            ("index full after start, 10M keys", product.full, 10.0),
        ] {
            let verdict = Limit::AtMost(limit).judge(seconds, other_size(keys, 10 * MILLION));
            let measured = format!("{seconds:.3} s, {}", show_count(keys));
            goals.push(Goal::new(what, format!("< {limit} s"), measured, verdict));
        }
    }
    goals
}
