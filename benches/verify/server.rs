//! Servers as processes: started on cores of their own, stopped while others are measured, and ended with everything
//! that they started. Their processor time and memory are read from `/proc`.

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A server that is not ready after this long counts as broken.
const PATIENCE: Duration = Duration::from_secs(180);
/// Maximum time for a clean exit.
const FAREWELL: Duration = Duration::from_secs(120);

pub struct Server {
    child: Child,
    /// The process and its descendants.
    family: Vec<Pid>,
    log: PathBuf,
    pub port: u16,
    /// The number of cores that it may use.
    pub cores: usize,
}

impl Server {
    /// Starts `command`, which will listen on `port`, on `cores`; its output goes to the file `log`.
    pub fn start(mut command: Command, port: u16, cores: &[usize], log: &Path) -> io::Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A child inherits the cores of the thread that starts it.
        let started = thread::scope(|scope| {
            let starter = scope.spawn(|| {
                pin_this_thread(cores)?;
                command.spawn()
            });
            starter.join().expect("starting a process does not panic")
        });
        let program = command.get_program().display();
        let child = started.map_err(|error| io::Error::other(format!("cannot start {program}: {error}")))?;
        let family = vec![Pid::from_child(&child)];
        Ok(Self { child, family, log: log.to_owned(), port, cores: cores.len() })
    }

    /// Asks again and again until there is an answer, the server ends, or patience does.
    pub fn wait<T>(&mut self, what: &str, mut ask: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(found) = ask()? {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(&self.log)?;
                let last = log.lines().last().unwrap_or("no output");
                return Err(io::Error::other(format!("no {what}, the server ended with {status}: {last}")));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(io::Error::other(format!("no {what} after {} s", PATIENCE.as_secs())))
    }

    /// Finds the processes that the server has started; to be called once the server answers.
    pub fn meet_family(&mut self) -> io::Result<()> {
        self.family = descendants(Pid::from_child(&self.child))?;
        Ok(())
    }

    /// It and its processes, also those that it starts later, run on these cores from now on.
    pub fn pin_family(&mut self, cores: &[usize]) -> io::Result<()> {
        self.meet_family()?;
        self.family.iter().try_for_each(|pid| pin(Some(*pid), cores))
    }

    /// User and system time of the whole family so far.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        self.family.iter().map(|pid| cpu_time_of(*pid)).sum()
    }

    /// Resident bytes of the whole family.
    pub fn memory(&self) -> io::Result<u64> {
        let of = |pid: &Pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
            let kilobytes = kilobytes.and_then(|number| number.trim().parse::<u64>().ok());
            kilobytes
                .map(|number| number * 1024)
                .ok_or_else(|| io::Error::other(format!("process {pid} has no memory")))
        };
        self.family.iter().map(of).sum()
    }

    /// Stops the processes, so that their background work does not disturb other measurements.
    pub fn rest(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    pub fn wake(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// For callers without a warm-up: the clock of a server that was stopped is late for half a second, so its first
    /// response may be 408.
    pub fn wake_up(&self) -> io::Result<()> {
        self.wake()?;
        thread::sleep(Duration::from_secs(1));
        Ok(())
    }

    /// Ends it without a clean exit, by a signal to its first process alone.
    pub fn end_at_once(mut self, signal: Signal) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), signal)?;
        self.child.wait()?;
        // Its number may belong to another process from now on.
        self.family.clear();
        Ok(())
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        for pid in &self.family {
            kill_process(*pid, signal)?;
        }
        Ok(())
    }
}

impl Drop for Server {
    /// Asks first: a database that was closed cleanly needs no recovery when it is used again.
    fn drop(&mut self) {
        if self.family.is_empty() {
            return;
        }
        let _as_it_was = self.meet_family();
        let _already_gone = self.signal(Signal::TERM).and_then(|()| self.wake());
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _already_gone = self.signal(Signal::KILL);
        let _already_gone = self.child.wait();
    }
}

/// All cores, whatever this thread is pinned to; Linux leaves out those that do not exist.
pub fn all_cores() -> Vec<usize> {
    (0..CpuSet::MAX_CPU).collect()
}

pub fn pin_this_thread(cores: &[usize]) -> io::Result<()> {
    pin(None, cores)
}

fn pin(pid: Option<Pid>, cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(pid, &set).map_err(|error| io::Error::other(format!("cannot run on cores {cores:?}: {error}")))
}

/// A loopback port on which nobody listens now.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// `pid` and everything below it.
fn descendants(pid: Pid) -> io::Result<Vec<Pid>> {
    let mut family = vec![pid];
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = fs::read_to_string(task?.path().join("children"))?;
        for child in children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)) {
            family.extend(descendants(child)?);
        }
    }
    Ok(family)
}

/// proc_pid_stat(5): utime and stime, fields 14 and 15, in clock ticks.
fn cpu_time_of(pid: Pid) -> io::Result<Duration> {
    let ticks = stat_field(pid, 14)? + stat_field(pid, 15)?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Field `number`, at least 4, of a process's stat line; the second is a name in parentheses that may contain spaces.
fn stat_field(pid: Pid, number: usize) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let field = stat.rsplit_once(')').and_then(|(_, after)| after.split_whitespace().nth(number - 3)?.parse().ok());
    field.ok_or_else(|| io::Error::other(format!("process {pid} has no field {number}")))
}
