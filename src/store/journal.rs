//! The usage journal: counts of the last seconds in a file beside the database, so that a killed
//! process loses at most what it had not yet appended (half a second). Appended without fsync, in
//! batches with a checksum; folded into the database from time to time and then removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::files::{beside, trouble};
use crate::error::Result;
use crate::model::usage::{Hour, Pending, Tally, Use, merge};
use crate::model::{KeyId, Time};

const LONGEST_USER_AGENT: usize = 200;

/// The journal that is being written; `None` until there is something to write.
pub struct Journal {
    current: PathBuf,
    folding: PathBuf,
    file: Option<File>,
}

/// A finished journal: its number, which names it in the database, and what it holds.
pub struct Finished {
    pub number: i64,
    pub pending: Pending,
}

impl Journal {
    pub(super) fn beside(database: &Path) -> Self {
        Journal { current: beside(database, "-usage"), folding: beside(database, "-usage-folding"), file: None }
    }

    /// `number` is used if a new file is begun.
    pub fn append(&mut self, batch: &Pending, number: i64) -> Result<()> {
        let bytes = encode(batch);
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(&self.current)
                    .map_err(|error| trouble(&self.current, "cannot be opened", error))?;
                let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
                if is_new {
                    file.write_all(&number.to_le_bytes())
                        .map_err(|error| trouble(&self.current, "cannot be written", error))?;
                }
                self.file.insert(file)
            }
        };
        file.write_all(&bytes).map_err(|error| trouble(&self.current, "cannot be written", error))
    }

    /// Ends the current journal and returns what is to be folded: an earlier one first, if a crash
    /// left it behind.
    pub fn finish(&mut self) -> Result<Option<Finished>> {
        if !self.folding.exists() {
            self.file = None;
            match fs::rename(&self.current, &self.folding) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other.map_err(|error| trouble(&self.current, "cannot be renamed", error))?,
            }
        }
        let bytes = fs::read(&self.folding).map_err(|error| trouble(&self.folding, "cannot be read", error))?;
        Ok(Some(decode(&bytes).unwrap_or(Finished { number: 0, pending: Pending::default() })))
    }

    /// Everything of the finished journal is in the database.
    pub fn remove_finished(&mut self) -> Result<()> {
        fs::remove_file(&self.folding).map_err(|error| trouble(&self.folding, "cannot be removed", error))
    }
}

/// Length, CRC-32, then the rows.
fn encode(batch: &Pending) -> Vec<u8> {
    let mut rows = Vec::with_capacity(batch.len() * 64);
    for ((key, hour), tally) in batch {
        rows.extend_from_slice(key.as_bytes());
        rows.extend_from_slice(&hour.0.to_le_bytes());
        rows.extend_from_slice(&u32::try_from(tally.count).unwrap_or(u32::MAX).to_le_bytes());
        rows.extend_from_slice(&tally.last.at.millis().to_le_bytes());
        let address = tally.last.address.map(to_v6);
        rows.push(u8::from(address.is_some()));
        rows.extend_from_slice(&address.unwrap_or(Ipv6Addr::UNSPECIFIED).octets());
        let user_agent = &tally.last.user_agent[..tally.last.user_agent.len().min(LONGEST_USER_AGENT)];
        rows.push(user_agent.len() as u8);
        rows.extend_from_slice(user_agent);
    }
    let mut bytes = Vec::with_capacity(rows.len() + 8);
    bytes.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&rows).to_le_bytes());
    bytes.extend_from_slice(&rows);
    bytes
}

/// Up to the first batch that is torn or damaged.
fn decode(bytes: &[u8]) -> Option<Finished> {
    let (number, mut rest) = bytes.split_first_chunk::<8>()?;
    let mut pending = Pending::default();
    while let Some((length, after)) = rest.split_first_chunk::<4>()
        && let Some((checksum, after)) = after.split_first_chunk::<4>()
        && let Some((rows, after)) = after.split_at_checked(u32::from_le_bytes(*length) as usize)
        && crc32fast::hash(rows) == u32::from_le_bytes(*checksum)
    {
        let mut rows = rows;
        while let Some((row, after)) = decode_row(rows) {
            merge(&mut pending, [row]);
            rows = after;
        }
        rest = after;
    }
    Some(Finished { number: i64::from_le_bytes(*number), pending })
}

type Row = ((KeyId, Hour), Tally);

fn decode_row(bytes: &[u8]) -> Option<(Row, &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (hour, rest) = rest.split_first_chunk::<4>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (has_address, rest) = rest.split_first()?;
    let (address, rest) = rest.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first()?;
    let (user_agent, rest) = rest.split_at_checked(*length as usize)?;
    let last = Use {
        at: Time::from_millis(i64::from_le_bytes(*at)),
        address: (*has_address == 1).then(|| IpAddr::V6(Ipv6Addr::from(*address)).to_canonical()),
        user_agent: user_agent.into(),
    };
    let key = (KeyId::from_bytes(*id), Hour(u32::from_le_bytes(*hour)));
    Some(((key, Tally { count: u64::from(u32::from_le_bytes(*count)), last }), rest))
}

fn to_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: u64) -> Pending {
        let last = Use {
            at: Time::from_millis(5_000_000),
            address: Some([10, 0, 0, 1].into()),
            user_agent: b"curl/8".as_slice().into(),
        };
        Pending::from_iter([((KeyId::from_bytes([7; 16]), Hour(1)), Tally { count, last })])
    }

    #[test]
    fn batches_add_up_and_a_torn_tail_is_left_out() {
        let mut bytes = 42_i64.to_le_bytes().to_vec();
        bytes.extend(encode(&batch(3)));
        bytes.extend(encode(&batch(4)));
        let torn = encode(&batch(100));
        bytes.extend(&torn[..torn.len() - 1]);
        let finished = decode(&bytes).unwrap();
        assert_eq!(finished.number, 42);
        assert_eq!(finished.pending, batch(7));
        assert!(decode(b"short").is_none());
    }
}
