//! The order of measurement: the two sides of a row one right after the other, all rows in every round, the sides
//! swapped from round to round, and everybody else stopped. A drift of the machine affects both sides alike.

use crate::verify::{
    keys::show_count, load, load::Slice, schedule::Route, schedule::Schedule, schedule::Source, server::Server,
    sign_ins::SignIns, spread::Spread, writes::Outcome, writes::Writers,
};
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
    /// The status of a right response.
    pub right: u16,
    /// Another server that this one asks.
    pub behind: Option<&'a Server>,
    pub beside: Beside<'a>,
}

impl<'a> Side<'a> {
    pub fn new(server: &'a Server, route: Route, source: Source, right: u16) -> Self {
        Self { server, route, source, right, behind: None, beside: Beside::Nothing }
    }
}

/// What happens to the server at the same time.
#[derive(Clone, Copy)]
pub enum Beside<'a> {
    Nothing,
    Writers(Writers<'a>),
    SignIns(SignIns<'a>),
}

pub struct Plan {
    pub rounds: u32,
    pub measured: Duration,
}

/// A comparison and its rounds.
pub struct Row<'a> {
    pub what: &'static str,
    pub keys: u64,
    pub against: &'static str,
    pub subject: Side<'a>,
    pub reference: Side<'a>,
    pub rounds: Vec<Round>,
    /// Why there are fewer rounds than planned.
    pub failure: Option<String>,
}

pub struct Round {
    pub subject: Slice,
    pub reference: Slice,
    pub beside: Outcome,
}

impl Row<'_> {
    /// Subject over reference, round by round.
    pub fn ratio(&self, of: impl Fn(&Slice) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|round| of(&round.subject) / of(&round.reference)))
    }

    pub fn subjects(&self, of: impl Fn(&Slice) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|round| of(&round.subject)))
    }

    pub fn references(&self, of: impl Fn(&Slice) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|round| of(&round.reference)))
    }
}

/// Measures all rows. A row that fails drops out, the others go on. All servers are stopped when it returns.
pub fn run(rows: &mut [Row], plan: &Plan) -> io::Result<()> {
    let mut schedule = Schedule::default();
    let mut seed = 0;
    for number in 1..=plan.rounds {
        for row in rows.iter_mut() {
            seed += 1;
            if row.failure.is_some() {
                continue;
            }
            eprintln!("round {number} of {}: {}, {} keys", plan.rounds, row.what, show_count(row.keys));
            match measure_row(row, plan, &mut schedule, seed, number % 2 == 1) {
                Ok(round) => row.rounds.push(round),
                Err(error) => row.failure = Some(error.to_string()),
            }
        }
    }
    Ok(())
}

/// Both sides get the same keys in the same order.
fn measure_row(row: &Row, plan: &Plan, schedule: &mut Schedule, seed: u64, subject_first: bool) -> io::Result<Round> {
    let early = if subject_first { None } else { Some(measure(&row.reference, plan, schedule, seed)?) };
    let (subject, beside) = measure(&row.subject, plan, schedule, seed)?;
    let (reference, _) = match early {
        Some(early) => early,
        None => measure(&row.reference, plan, schedule, seed)?,
    };
    Ok(Round { subject, reference, beside })
}

fn measure(side: &Side, plan: &Plan, schedule: &mut Schedule, seed: u64) -> io::Result<(Slice, Outcome)> {
    schedule.fill(&side.route, &side.source, requests_wanted(plan), seed);
    let stop = AtomicBool::new(false);
    side.server.wake()?;
    side.behind.map_or(Ok(()), Server::wake)?;
    let outcome = thread::scope(|scope| {
        let beside = scope.spawn(|| match side.beside {
            Beside::Nothing => Ok(Outcome::default()),
            Beside::Writers(writers) => writers.run(&stop),
            Beside::SignIns(sign_ins) => sign_ins.run(&stop),
        });
        let slice = load::run(side.server, schedule, side.right, plan.measured);
        stop.store(true, Ordering::Relaxed);
        let outcome = beside.join().expect("what happens beside does not panic")?;
        Ok((slice?, outcome))
    });
    side.server.rest()?;
    side.behind.map_or(Ok(()), Server::rest)?;
    outcome
}

/// Enough that hardly a request is repeated in a slice; a limit keeps long slices in memory.
fn requests_wanted(plan: &Plan) -> usize {
    ((plan.measured.as_secs_f64() * 1.2 * load::MAX_RATE) as usize).min(4_000_000)
}
