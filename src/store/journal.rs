//! Usage counts that are not in the database yet, in files beside it, so that a killed process loses little. `-usage`
//! receives the newest counts; a file `-usage-folding-…` is finished and waits to be added to the database. Nothing
//! here is synced, so a power cut can lose what the system has not written.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::companions;
use super::files::{beside, trouble};
pub use super::journal_batch::Counted;
use super::journal_batch::{head, read};
use crate::error::{Error, Result};
use crate::model::KeyId;
use crate::model::usage::{Hour, Tally, UseOrigin, Uses};

const MAGIC: [u8; 8] = *b"kbusage2";
const HEADER: usize = 24;
const FOLDING: &str = "-usage-folding-";

pub struct Journal {
    database: PathBuf,
    /// The current journal; `None` until there is something to write.
    current: Option<Written>,
}

struct Written {
    file: File,
    number: i64,
    bytes: u64,
    /// How many of `bytes` are the totals with which it was rewritten.
    rewritten: u64,
}

impl Journal {
    pub(super) fn beside(database: &Path) -> Self {
        Journal { database: database.to_owned(), current: None }
    }

    fn path(&self) -> PathBuf {
        beside(&self.database, "-usage")
    }

    /// Size of the current journal in bytes.
    pub fn bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.bytes)
    }

    /// Its size when it was last rewritten.
    pub fn rewritten(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.rewritten)
    }

    /// Appends uses. `number` identifies the file permanently if a new one is created.
    pub fn append(&mut self, clients: &[UseOrigin], uses: &Uses, number: i64) -> Result<()> {
        let path = self.path();
        let current = match &mut self.current {
            Some(current) => current,
            None => self.current.insert(Written::begin(&self.database, &path, number, 0)?),
        };
        current.append(clients, uses, Counted::Singly).map_err(|error| trouble(&path, "cannot be written", error))
    }

    /// Replaces the journal with its totals.
    pub fn rewrite(&mut self, sums: Sums<'_>, number: i64) -> Result<()> {
        let mut written = self.write_aside(sums, number)?;
        fs::rename(self.aside(), self.path()).map_err(|error| trouble(&self.path(), "cannot be replaced", error))?;
        written.rewritten = written.bytes;
        self.current = Some(written);
        Ok(())
    }

    /// Finishes the journal: its totals are what is added to the database.
    pub fn finish(&mut self, sums: Sums<'_>, number: i64) -> Result<()> {
        self.write_aside(sums, number)?;
        // The order matters: if the old journal still exists, the header of the file that replaces it shows that.
        let finished = self.finished_path(number);
        fs::rename(self.aside(), &finished).map_err(|error| trouble(&finished, "cannot be made", error))?;
        self.current = None;
        // The totals are finished now, even if the journal that they replace cannot be removed: the next one
        // overwrites it, or it is recognised after a crash.
        let _ = fs::remove_file(self.path());
        Ok(())
    }

    /// Finishes the journal as it is.
    pub fn finish_unchanged(&mut self) -> Result<()> {
        let Some(current) = &self.current else { return Ok(()) };
        let finished = self.finished_path(current.number);
        fs::rename(self.path(), &finished).map_err(|error| trouble(&finished, "cannot be made", error))?;
        self.current = None;
        Ok(())
    }

    /// Recovers after a crash: finishes the old journal, unless its totals were already finished.
    pub fn recover(&mut self) -> Result<()> {
        remove(&self.aside())?;
        let Some((number, _)) = self.numbers(&self.path())? else { return remove(&self.path()) };
        let finished = self.finished_paths()?;
        for path in &finished {
            if self.numbers(path)?.is_some_and(|(_, replaced)| replaced == number) {
                return remove(&self.path());
            }
        }
        let finished = self.finished_path(number);
        fs::rename(self.path(), &finished).map_err(|error| trouble(&finished, "cannot be made", error))
    }

    /// A finished file, if there is one. A file with a damaged header is removed, and the result is `None`.
    pub fn next_finished(&self) -> Result<Option<Finished>> {
        let Some(path) = self.finished_paths()?.pop() else { return Ok(None) };
        let Some((number, _)) = self.numbers(&path)? else {
            tracing::warn!(file = %path.display(), "the usage counts in this file cannot be read and are skipped");
            remove(&path)?;
            return Ok(None);
        };
        Finished::open(&self.database, path, number).map(Some)
    }

    fn write_aside(&mut self, sums: Sums<'_>, number: i64) -> Result<Written> {
        let aside = self.aside();
        remove(&aside)?;
        let replaced = self.current.as_ref().map_or(0, |current| current.number);
        let mut written = Written::begin(&self.database, &aside, number, replaced)?;
        for batch in sums {
            let (clients, uses) = batch?;
            let appended = written.append(&clients, &uses, Counted::InSums);
            appended.map_err(|error| trouble(&aside, "cannot be written", error))?;
        }
        Ok(written)
    }

    /// The numbers of the file at `path` and of the journal that it replaces; `None` if there are none.
    fn numbers(&self, path: &Path) -> Result<Option<(i64, i64)>> {
        let Some(mut file) = companions::open_existing(&self.database, path)? else { return Ok(None) };
        let mut header = [0; HEADER];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(trouble(path, "cannot be read", error)),
            Ok(()) if header[..8] != MAGIC => Ok(None),
            Ok(()) => {
                let eight = |at: usize| i64::from_le_bytes(header[at..at + 8].try_into().expect("eight of 24 bytes"));
                Ok(Some((eight(8), eight(16))))
            }
        }
    }

    fn aside(&self) -> PathBuf {
        beside(&self.database, "-usage-new")
    }

    fn finished_path(&self, number: i64) -> PathBuf {
        beside(&self.database, &format!("{FOLDING}{number:016x}"))
    }

    fn finished_paths(&self) -> Result<Vec<PathBuf>> {
        let directory =
            self.database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let unreadable = |error: io::Error| trouble(directory, "cannot be read", error);
        let start = beside(&self.database, FOLDING);
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let path = directory.join(entry.map_err(unreadable)?.file_name());
            if path.as_os_str().as_encoded_bytes().starts_with(start.as_os_str().as_encoded_bytes()) {
                found.push(path);
            }
        }
        Ok(found)
    }
}

/// The batches with the totals of a whole journal; an error aborts the attempt.
pub type Sums<'a> = &'a mut dyn Iterator<Item = Result<(Vec<UseOrigin>, Uses)>>;

impl Written {
    fn begin(database: &Path, path: &Path, number: i64, replaced: i64) -> Result<Self> {
        let mut file = companions::open_to_append(database, path)?;
        let mut begin = || -> io::Result<()> {
            let mut header = MAGIC.to_vec();
            header.extend_from_slice(&number.to_le_bytes());
            header.extend_from_slice(&replaced.to_le_bytes());
            // Removes what a failed attempt left.
            file.set_len(0)?;
            file.write_all(&header)
        };
        begin().map_err(|error| trouble(path, "cannot be written", error))?;
        Ok(Written { file, number, bytes: HEADER as u64, rewritten: 0 })
    }

    fn append(&mut self, clients: &[UseOrigin], uses: &Uses, counted: Counted) -> io::Result<()> {
        let head = head(clients, uses, counted);
        let written = self.file.write_all(&head).and_then(|()| self.file.write_all(uses.as_bytes()));
        if written.is_err() {
            // A partial batch would hide those after it.
            self.file.set_len(self.bytes)?;
        }
        written?;
        self.bytes += (head.len() + uses.as_bytes().len()) as u64;
        Ok(())
    }
}

/// A key's uses in one hour.
pub type Row = ((KeyId, Hour), Tally);

/// A finished file that is being added to the database.
pub struct Finished {
    /// Identifies it in the database.
    pub number: i64,
    path: PathBuf,
    reader: BufReader<File>,
    left: u64,
}

impl Finished {
    fn open(database: &Path, path: PathBuf, number: i64) -> Result<Self> {
        let unreadable = |error: io::Error| trouble(&path, "cannot be read", error);
        let missing = || unreadable(io::ErrorKind::NotFound.into());
        let file = companions::open_existing(database, &path)?.ok_or_else(missing)?;
        let left = file.metadata().map_err(unreadable)?.len();
        let mut reader = BufReader::new(file);
        reader.read_exact(&mut [0; HEADER]).map_err(unreadable)?;
        Ok(Finished { number, path, reader, left })
    }

    /// About how many uses remain to be read.
    pub fn left(&self) -> u64 {
        self.left / Uses::BYTES as u64
    }

    /// The totals of the next batch, in a fixed order; `None` after the last complete one.
    pub fn next_batch(&mut self) -> Result<Option<Vec<Row>>> {
        let batch = read(&mut self.reader).map_err(|error| trouble(&self.path, "cannot be read", error))?;
        let position = std::io::Seek::stream_position(&mut self.reader).map_err(Error::unavailable)?;
        let length = self.reader.get_ref().metadata().map_err(Error::unavailable)?.len();
        self.left = length.saturating_sub(position);
        Ok(batch.map(|tallies| {
            let mut rows: Vec<_> = tallies.into_iter().collect();
            rows.sort_unstable_by_key(|(key, _)| *key);
            rows
        }))
    }

    /// Removes the file, once everything in it is in the database.
    pub fn remove(self) -> Result<()> {
        remove(&self.path)
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(trouble(path, "cannot be removed", error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::usage::Use;
    use crate::model::{ClientAddress, Time};

    fn batch(count: u32, number: u32) -> (Vec<UseOrigin>, Uses) {
        let address = Some(ClientAddress::Known([10, 0, 0, 1].into()));
        let clients = vec![UseOrigin::default(), UseOrigin { address, user_agent: (*b"curl/8").into() }];
        let mut uses = Uses::default();
        for _ in 0..count {
            let used = Use { key: KeyId::from_bytes([7; 16]), at: Time::from_millis(5_000_000), client: 1, number };
            uses.push(used);
        }
        (clients, uses)
    }

    fn counts(finished: &mut Finished) -> Vec<u64> {
        std::iter::from_fn(|| finished.next_batch().unwrap())
            .map(|rows| rows.iter().map(|(_, tally)| tally.count).sum())
            .collect()
    }

    #[test]
    fn a_crashed_journal_is_folded_as_it_is_and_a_torn_tail_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("k.db");
        let mut journal = Journal::beside(&database);
        for count in [3, 4] {
            let (clients, uses) = batch(count, u32::MAX);
            journal.append(&clients, &uses, 42).unwrap();
        }
        let torn = fs::read(journal.path()).unwrap();
        File::options().append(true).open(journal.path()).unwrap().write_all(&torn[HEADER..HEADER + 60]).unwrap();
        let mut again = Journal::beside(&database);
        again.recover().unwrap();
        let mut finished = again.next_finished().unwrap().unwrap();
        assert_eq!((finished.number, counts(&mut finished)), (42, vec![3, 4]));
        let (_, last) =
            Finished::open(&database, again.finished_path(42), 42).unwrap().next_batch().unwrap().unwrap().remove(0);
        assert_eq!(last.last_client, batch(0, 0).0[1]);
        finished.remove().unwrap();
        assert!(again.next_finished().unwrap().is_none());
    }

    #[test]
    fn a_journal_whose_sums_were_finished_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("k.db");
        let mut journal = Journal::beside(&database);
        let (clients, uses) = batch(5, u32::MAX);
        journal.append(&clients, &uses, 1).unwrap();
        let kept = fs::read(journal.path()).unwrap();
        journal.finish(&mut std::iter::once(Ok(batch(1, 5))), 2).unwrap();
        // As if the crash had happened before the journal was removed.
        fs::write(journal.path(), kept).unwrap();
        let mut again = Journal::beside(&database);
        again.recover().unwrap();
        let mut finished = again.next_finished().unwrap().unwrap();
        assert_eq!((finished.number, counts(&mut finished)), (2, vec![5]));
        finished.remove().unwrap();
        assert!(again.next_finished().unwrap().is_none());
    }

    #[test]
    fn a_rewritten_journal_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::beside(&directory.path().join("k.db"));
        let (clients, uses) = batch(5, u32::MAX);
        journal.append(&clients, &uses, 1).unwrap();
        journal.rewrite(&mut std::iter::once(Ok(batch(1, 5))), 2).unwrap();
        journal.append(&clients, &uses, 3).unwrap();
        journal.finish_unchanged().unwrap();
        let mut finished = journal.next_finished().unwrap().unwrap();
        assert_eq!((finished.number, counts(&mut finished)), (2, vec![5, 5]));
    }

    #[test]
    fn sums_that_are_finished_count_even_if_the_journal_cannot_be_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::beside(&directory.path().join("k.db"));
        let (clients, uses) = batch(5, u32::MAX);
        journal.append(&clients, &uses, 1).unwrap();
        fs::remove_file(journal.path()).unwrap();
        fs::create_dir(journal.path()).unwrap();
        // If this failed, the caller would keep its counts and finish them again.
        journal.finish(&mut std::iter::once(Ok(batch(1, 5))), 2).unwrap();
        assert_eq!(counts(&mut journal.next_finished().unwrap().unwrap()), [5]);
    }

    #[test]
    fn a_journal_that_cannot_be_finished_now_is_finished_later() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::beside(&directory.path().join("k.db"));
        let (clients, uses) = batch(5, u32::MAX);
        journal.append(&clients, &uses, 1).unwrap();
        fs::create_dir(journal.finished_path(1)).unwrap();
        assert!(journal.finish_unchanged().is_err());
        fs::remove_dir(journal.finished_path(1)).unwrap();
        journal.append(&clients, &uses, 2).unwrap();
        journal.finish_unchanged().unwrap();
        assert_eq!(counts(&mut journal.next_finished().unwrap().unwrap()), [5, 5]);
    }
}
