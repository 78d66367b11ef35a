//! A few threads behind a short queue, each with its own state (a database connection, or nothing). If the queue is
//! full, callers get "unavailable" immediately, so that work never accumulates unnoticed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::background::wait_for_turn;
use crate::error::{Error, Result};

type PoolJob<S> = Box<dyn FnOnce(&mut S) + Send>;

pub struct Pool<S> {
    queue: Arc<JobQueue<S>>,
    name: &'static str,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Not a channel behind a mutex: there, each job wakes a second thread, which only takes its place at the mutex.
struct JobQueue<S> {
    waiting: Mutex<WaitingJobs<S>>,
    filled: Condvar,
    most: usize,
}

struct WaitingJobs<S> {
    jobs: VecDeque<PoolJob<S>>,
    idle_threads: usize,
    is_stopping: bool,
}

impl<S: Send + 'static> Pool<S> {
    /// Starts one thread per state, with a queue of max `waiting` jobs.
    pub fn start(name: &'static str, waiting: usize, states: Vec<S>) -> Result<Self> {
        let jobs = WaitingJobs { jobs: VecDeque::new(), idle_threads: 0, is_stopping: false };
        let queue = Arc::new(JobQueue { waiting: Mutex::new(jobs), filled: Condvar::new(), most: waiting });
        let mut threads = Vec::new();
        for (number, state) in states.into_iter().enumerate() {
            let own = Arc::clone(&queue);
            let thread = thread::Builder::new().name(format!("{name}-{number}")).spawn(move || own.work(state));
            let cannot = |error| Error::unavailable(format!("cannot start a {name} thread: {error}"));
            threads.push(thread.map_err(cannot)?);
        }
        Ok(Pool { queue, name, threads: Mutex::new(threads) })
    }

    /// Finishes the queued jobs, stops the threads and drops their states.
    pub fn stop(&self) {
        self.queue.lock().is_stopping = true;
        self.queue.filled.notify_all();
        let threads = self.threads.lock().map(|mut threads| std::mem::take(&mut *threads)).unwrap_or_default();
        for thread in threads {
            let _ = thread.join(); // the thread itself catches panics, and the panic hook logs them
        }
    }

    /// Runs `job` on one of the threads. A panic in a job is an internal error; the thread survives it.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut S) -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let boxed = Box::new(move |state: &mut S| {
            // The caller may have gone away.
            let _ = reply.send(job(state));
        });
        self.submit(boxed)?;
        answer.await.map_err(|_| Error::internal(format!("a {} job panicked", self.name)))?
    }
}

impl<S> Pool<S> {
    /// Lets one of the threads run `job`; the caller does not wait for it.
    pub fn submit(&self, job: Box<dyn FnOnce(&mut S) + Send>) -> Result<()> {
        self.queue.put(job, self.name)
    }
}

impl<S> JobQueue<S> {
    fn put(&self, job: PoolJob<S>, name: &str) -> Result<()> {
        let mut waiting = self.lock();
        if waiting.is_stopping {
            return Err(Error::unavailable(format!("the {name} threads have ended")));
        }
        if waiting.jobs.len() >= self.most {
            return Err(Error::unavailable(format!("the {name} queue is full")));
        }
        waiting.jobs.push_back(job);
        let somebody_sleeps = waiting.idle_threads > 0;
        drop(waiting);
        if somebody_sleeps {
            self.filled.notify_one();
        }
        Ok(())
    }

    fn work(&self, mut state: S) {
        wait_for_turn();
        while let Some(job) = self.next() {
            // The panic hook has logged it; the dropped reply informs the caller.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&mut state)));
        }
    }

    /// Waits for a job; `None` when the pool stops and all jobs are done.
    fn next(&self) -> Option<PoolJob<S>> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.is_stopping {
                return None;
            }
            waiting.idle_threads += 1;
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle_threads -= 1;
        }
    }

    /// No job runs under this lock, so a panic cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, WaitingJobs<S>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures_util::FutureExt;

    use super::*;
    use crate::error::Kind;

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_stopped_pool_has_done_all_jobs() {
        let pool = Pool::start("test", 2, vec![()]).unwrap();
        let (go, wait) = channel::<()>();
        let blocks = pool.run(move |()| {
            let _ = wait.recv();
            Ok(0)
        });
        let mut blocks = Box::pin(blocks);
        assert!((&mut blocks).now_or_never().is_none());
        // The first job may still be in the queue.
        let mut queued = Vec::new();
        let refused = loop {
            let mut job = Box::pin(pool.run(|()| Ok(1)));
            match (&mut job).now_or_never() {
                Some(answer) => break answer,
                None => queued.push(job),
            }
        };
        assert_eq!(refused.unwrap_err().kind, Kind::Unavailable);
        assert!((1..=2).contains(&queued.len()), "{}", queued.len());
        go.send(()).unwrap();
        assert_eq!(blocks.await.unwrap(), 0);
        pool.stop();
        for job in queued {
            assert_eq!(job.await.unwrap(), 1);
        }
        assert_eq!(pool.run(|()| Ok(2)).await.unwrap_err().kind, Kind::Unavailable);
    }

    #[tokio::test]
    async fn a_thread_survives_a_job_that_panics() {
        let pool = Pool::start("test", 2, vec![0]).unwrap();
        let outcome: Result<()> = pool.run(|_| panic!("a bug")).await;
        assert_eq!(outcome.unwrap_err().kind, Kind::Internal);
        for expected in 1..4 {
            let counted = pool.run(|count| {
                *count += 1;
                Ok(*count)
            });
            assert_eq!(counted.await.unwrap(), expected);
        }
    }
}
