//! The queue of log lines for stderr. A separate thread writes them, so that a reader who stops reading blocks nothing
//! else. Lines that do not fit in the queue are dropped, counted and reported.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Maximum bytes in the queue; the thread can hold as many again while it writes them.
const MAX_BYTES: usize = 1 << 20;
/// How long lines are gathered before they are written together. Without it, each request would wake this thread.
const GATHER: Duration = Duration::from_millis(5);
/// This many bytes are written at once.
const ENOUGH_BYTES: usize = 64 << 10;
/// The wait before the next try if stderr is non-blocking and full.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The queue; there is only one stderr and one log.
static LOG: OnceLock<Arc<LogQueue>> = OnceLock::new();

/// Starts the queue; all lines then go through it.
pub fn start() -> Result<()> {
    let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(Error::unavailable)?;
    let queue = LogQueue::start(std::fs::File::from(stderr), MAX_BYTES, missing_lines_report)?;
    let _ = LOG.set(queue); // a second start keeps the first
    Ok(())
}

/// Adds a line that must not be dropped; returns false if there is no queue.
pub fn print(line: &str) -> bool {
    LOG.get().map(|log| log.put(format!("{line}\n").as_bytes(), usize::MAX)).is_some()
}

/// Waits until all lines are written, but no longer than `within`.
pub fn flush(within: Duration) {
    if let Some(log) = LOG.get() {
        log.flush(within);
    }
}

/// Lines dropped since the start.
pub fn dropped() -> u64 {
    LOG.get().map_or(0, |log| log.dropped.load(Ordering::Relaxed))
}

thread_local! {
    /// The writing thread's own lines bypass the queue, where they could be dropped.
    static OWN: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The line that reports how many others are missing; empty if the log level excludes it.
fn missing_lines_report(lines: u64) -> Vec<u8> {
    OWN.set(Some(Vec::new()));
    tracing::warn!(lines, "lines are missing from this log: its reader stopped for a while, or its disk was full");
    OWN.take().unwrap_or_default()
}

/// A writer for one line. Each write must be a whole line and does not block.
pub struct LogLine;

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_own = OWN.with_borrow_mut(|own| own.as_mut().map(|own| own.extend_from_slice(line)).is_some());
        if let Some(log) = LOG.get().filter(|_| !is_own) {
            log.put(line, log.most);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct LogQueue {
    most: usize,
    waiting: Mutex<WaitingLines>,
    filled: Condvar,
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct WaitingLines {
    bytes: Vec<u8>,
    /// Whether the writing thread has nothing left to do.
    is_idle: bool,
}

impl LogQueue {
    /// `report` returns the line that reports how many are missing.
    fn start(out: impl Write + Send + 'static, most: usize, report: fn(u64) -> Vec<u8>) -> Result<Arc<Self>> {
        let queue = Arc::new(LogQueue {
            most,
            waiting: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let own = Arc::clone(&queue);
        thread::Builder::new().name("log".into()).spawn(move || own.run(out, report)).map_err(Error::unavailable)?;
        Ok(queue)
    }

    fn put(&self, line: &[u8], most: usize) {
        let mut waiting = self.lock();
        if waiting.bytes.len().saturating_add(line.len()) > most {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes.extend_from_slice(line);
        if waiting.is_idle {
            waiting.is_idle = false;
            self.filled.notify_one();
        }
    }

    fn flush(&self, within: Duration) {
        let waits = |waiting: &mut WaitingLines| !waiting.is_idle;
        // The caller does not need to know whether all lines were written in time.
        let _ = self.written.wait_timeout_while(self.lock(), within, waits);
    }

    fn run(&self, mut out: impl Write, report: fn(u64) -> Vec<u8>) {
        let (mut bytes, mut reported) = (Vec::new(), 0);
        loop {
            let dropped = self.take(&mut bytes);
            let lost = write(&mut out, &bytes);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            // Dropped lines count as reported only once the report is written.
            if lost == 0 && dropped > reported && write(&mut out, &report(dropped - reported)) == 0 {
                reported = dropped;
            }
        }
    }

    /// Waits for bytes and takes them all, reusing the buffer of those written. Returns the number of lines dropped
    /// so far; the latest of them would have come after these bytes.
    fn take(&self, bytes: &mut Vec<u8>) -> u64 {
        bytes.clear();
        let mut waiting = self.lock();
        while waiting.bytes.is_empty() {
            waiting.is_idle = true;
            self.written.notify_all();
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.bytes.len() < ENOUGH_BYTES {
            drop(waiting);
            thread::sleep(GATHER);
            waiting = self.lock();
        }
        std::mem::swap(&mut waiting.bytes, bytes);
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, WaitingLines> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all bytes, however long it takes, and returns how many lines could not be written.
fn write(out: &mut impl Write, mut bytes: &[u8]) -> u64 {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(written @ 1..) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
            Ok(0) | Err(_) => return bytes.iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const LONG: Duration = Duration::from_secs(60);

    /// Accepts one write per permission, and passes on what was written.
    struct LogReader {
        permissions: Receiver<io::Result<()>>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for LogReader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permissions.recv().unwrap_or(Err(io::ErrorKind::BrokenPipe.into()))?;
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue(most: usize) -> (Arc<LogQueue>, Sender<io::Result<()>>, Receiver<Vec<u8>>) {
        let ((permit, permissions), (taken, took)) = (channel(), channel());
        (
            LogQueue::start(LogReader { permissions, taken }, most, |lines| format!("{lines} missing\n").into())
                .unwrap(),
            permit,
            took,
        )
    }

    /// The sum of the reported counts.
    fn reported_missing(read: &str) -> u64 {
        read.lines().filter_map(|line| line.strip_suffix(" missing")?.parse::<u64>().ok()).sum()
    }

    #[test]
    fn a_report_is_queued_even_when_the_queue_is_full_and_is_counted_once_written() {
        let (queue, permit, took) = queue(40);
        let fill = || (0..100).for_each(|_| queue.put(b"ten bytes\n", queue.most));
        fill();
        // The third write, which is usually the report, fails as on a full disk.
        for number in 0..8 {
            permit.send(if number == 2 { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }).unwrap();
        }
        queue.flush(LONG);
        fill();
        // These permissions are enough, however small the writes are.
        for _ in 0..1000 {
            permit.send(Ok(())).unwrap();
        }
        queue.flush(LONG);
        queue.put(b"the last\n", usize::MAX);
        queue.flush(LONG);
        let read: Vec<u8> = took.try_iter().flatten().collect();
        let read = String::from_utf8(read).unwrap();
        assert_eq!(reported_missing(&read), queue.dropped.load(Ordering::Relaxed), "{read}");
        let kept = read.lines().filter(|line| *line == "ten bytes").count() as u64;
        assert_eq!(kept + reported_missing(&read), 200, "{read}");
    }

    #[test]
    fn a_stopped_reader_loses_lines_but_does_not_block() {
        let (queue, permit, took) = queue(40);
        for _ in 0..1000 {
            queue.put(b"ten bytes\n", queue.most);
        }
        assert!(queue.dropped.load(Ordering::Relaxed) >= 1000 - 8, "{:?}", queue.dropped);
        queue.put(b"the link\n", usize::MAX);
        queue.flush(Duration::from_millis(1));
        for _ in 0..8 {
            permit.send(Ok(())).unwrap();
        }
        queue.flush(LONG);
        let read: Vec<u8> = took.try_iter().flatten().collect();
        let read = String::from_utf8(read).unwrap();
        assert!(read.starts_with("ten bytes\n") && read.contains("\nthe link\n"), "{read}");
        assert_eq!(reported_missing(&read), queue.dropped.load(Ordering::Relaxed));
        let kept = read.lines().filter(|line| *line == "ten bytes").count() as u64;
        assert_eq!(kept + queue.dropped.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn unwritable_lines_are_counted_and_later_lines_are_written() {
        let (queue, permit, took) = queue(1000);
        for outcome in
            [Err(ErrorKind::StorageFull), Err(ErrorKind::Interrupted), Err(ErrorKind::WouldBlock), Ok(()), Ok(())]
        {
            permit.send(outcome.map_err(io::Error::from)).unwrap();
        }
        queue.put(b"lost\n", queue.most);
        queue.flush(LONG);
        queue.put(b"kept\n", queue.most);
        queue.flush(LONG);
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 1);
        assert_eq!(took.try_iter().collect::<Vec<_>>(), [&b"kept\n"[..], b"1 missing\n"]);
    }
}
