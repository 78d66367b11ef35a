//! How busy the machine is with other things, which a measurement on all cores cannot tell from its own work.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

/// How long the machine is watched.
const WATCHED: Duration = Duration::from_millis(500);

/// The share of all cores that was used in the last half second; to be asked while the servers have nothing to do.
pub fn share() -> io::Result<f64> {
    let (idle, all) = ticks()?;
    thread::sleep(WATCHED);
    let (idle_after, all_after) = ticks()?;
    let (idle, all) = (idle_after.saturating_sub(idle), all_after.saturating_sub(all));
    Ok(if all == 0 { 0.0 } else { 1.0 - idle as f64 / all as f64 })
}

/// proc_stat(5): the time that all cores were idle or waited for a disk, and their time in all.
fn ticks() -> io::Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let first = stat.lines().next().unwrap_or_default();
    // The two after these eight are part of the first.
    let fields: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    match fields[..] {
        [_, _, _, idle, waiting, ..] => Ok((idle + waiting, fields.iter().sum())),
        _ => Err(io::Error::other("/proc/stat does not begin with the times of all cores")),
    }
}
