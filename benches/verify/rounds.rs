//! The order of measurement: each pair's two sides one right after the other, the whole list again in every round, the
//! sides swapped from round to round, and everybody else stopped. A drift of the machine hits both sides alike.

use crate::load::{Load, Slice};
use crate::log_ins::{Flood, LogIns};
use crate::process::Server;
use crate::schedule::{Route, Schedule, Source};
use crate::writes::{Writers, Written};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// One side of a comparison.
#[derive(Clone)]
pub struct Side<'a> {
    pub server: &'a Server,
    pub route: Route,
    pub source: Source,
    /// The status of a right answer.
    pub answers: u16,
    /// Another server that this one asks.
    pub behind: Option<&'a Server>,
    /// What happens to the server at the same time.
    pub beside: Beside<'a>,
}

#[derive(Clone, Copy)]
pub enum Beside<'a> {
    Nothing,
    Writers(Writers<'a>),
    LogIns(LogIns<'a>),
}

/// What came of it.
enum Outcome {
    Nothing,
    Written(Written),
    Flood(Flood),
}

pub struct Pair<'a> {
    pub what: String,
    pub keys: u64,
    pub reference_name: String,
    pub subject: Side<'a>,
    pub reference: Side<'a>,
}

/// How every slice is measured.
pub struct Plan {
    pub rounds: usize,
    pub measured: Duration,
    pub connections: usize,
}

/// The slices of a pair, one a round on each side.
pub struct Measured {
    pub what: String,
    pub keys: u64,
    pub reference_name: String,
    pub subject: Vec<Slice>,
    pub reference: Vec<Slice>,
    pub written: Vec<Written>,
    pub floods: Vec<Flood>,
    /// Why there are fewer rounds than asked for.
    pub failure: Option<String>,
}

/// The median of the rounds, and the rounds that were farthest from it.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { median, least, most })
    }
}

impl Measured {
    /// A row before its first round.
    pub fn nothing(what: &str, keys: u64, reference_name: &str) -> Self {
        Self {
            what: what.to_owned(),
            keys,
            reference_name: reference_name.to_owned(),
            subject: Vec::new(),
            reference: Vec::new(),
            written: Vec::new(),
            floods: Vec::new(),
            failure: None,
        }
    }

    /// Subject over reference, round by round.
    pub fn ratio(&self, of: impl Fn(&Slice) -> f64) -> Option<Spread> {
        Spread::of(self.subject.iter().zip(&self.reference).map(|(subject, reference)| of(subject) / of(reference)))
    }
}

/// Measures all pairs; `say` is told what happens. A pair that fails drops out, the others go on.
/// All servers are stopped when it returns.
pub fn run(pairs: &[Pair], plan: &Plan, mut say: impl FnMut(&str)) -> io::Result<Vec<Measured>> {
    let mut schedule = Schedule::default();
    let mut results: Vec<_> =
        pairs.iter().map(|pair| Measured::nothing(&pair.what, pair.keys, &pair.reference_name)).collect();
    for pair in pairs {
        pair.subject.server.rest()?;
        pair.reference.server.rest()?;
    }
    for round in 0..plan.rounds {
        for (number, (pair, result)) in pairs.iter().zip(&mut results).enumerate() {
            if result.failure.is_some() {
                continue;
            }
            say(&format!("round {} of {}: {}, {} keys", round + 1, plan.rounds, pair.what, pair.keys));
            // Both sides get the same keys in the same order.
            let seed = (round * pairs.len() + number) as u64;
            if let Err(error) = measure_pair(pair, plan, &mut schedule, seed, result) {
                result.failure = Some(error.to_string());
            }
        }
    }
    Ok(results)
}

fn measure_pair(pair: &Pair, plan: &Plan, schedule: &mut Schedule, seed: u64, into: &mut Measured) -> io::Result<()> {
    let subject_first = into.subject.len().is_multiple_of(2);
    let early = if subject_first { None } else { Some(measure(&pair.reference, plan, schedule, seed)?.0) };
    let (subject, outcome) = measure(&pair.subject, plan, schedule, seed)?;
    let reference = match early {
        Some(slice) => slice,
        None => measure(&pair.reference, plan, schedule, seed)?.0,
    };
    into.subject.push(subject);
    into.reference.push(reference);
    match outcome {
        Outcome::Nothing => {}
        Outcome::Written(written) => into.written.push(written),
        Outcome::Flood(flood) => into.floods.push(flood),
    }
    Ok(())
}

fn measure(side: &Side, plan: &Plan, schedule: &mut Schedule, seed: u64) -> io::Result<(Slice, Outcome)> {
    let load = Load {
        port: side.server.port,
        cores: side.server.cores,
        connections: plan.connections,
        warm_up: plan.measured / 5,
        measured: plan.measured,
    };
    schedule.fill(&side.route, &side.source, requests_wanted(plan), seed);
    let stop = AtomicBool::new(false);
    side.server.wake()?;
    side.behind.map_or(Ok(()), Server::wake)?;
    let mut measured = || {
        let slice = load.run(schedule, || side.server.cpu_time());
        stop.store(true, Ordering::Relaxed);
        slice
    };
    let outcome = match side.beside {
        Beside::Nothing => measured().map(|slice| (slice, Outcome::Nothing)),
        Beside::Writers(writers) => thread::scope(|scope| {
            let writing = scope.spawn(|| writers.run(&stop));
            let slice = measured();
            let written = writing.join().expect("writing does not panic")?;
            Ok((slice?, Outcome::Written(written)))
        }),
        Beside::LogIns(log_ins) => thread::scope(|scope| {
            let flooding = scope.spawn(|| log_ins.run(&stop));
            let slice = measured();
            let flood = flooding.join().expect("logging in does not panic")?;
            Ok((slice?, Outcome::Flood(flood)))
        }),
    };
    side.server.rest()?;
    side.behind.map_or(Ok(()), Server::rest)?;
    let (slice, outcome) = outcome?;
    let wrong = slice.unexpected(side.answers);
    if wrong > 0 {
        let statuses = &slice.statuses;
        return Err(io::Error::other(format!("{wrong} wrong answers: wanted {}, got {statuses:?}", side.answers)));
    }
    Ok((slice, outcome))
}

/// Enough that no request is sent twice in a slice at 250,000 a second; a limit keeps long slices in memory.
fn requests_wanted(plan: &Plan) -> usize {
    let seconds = plan.measured.as_secs_f64() * 1.2;
    ((seconds * 250_000.0) as usize).min(4_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_median_between_its_ends() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0].into_iter()).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.5, 1.0, 10.0));
        assert!(Spread::of(std::iter::empty()).is_none());
    }
}
