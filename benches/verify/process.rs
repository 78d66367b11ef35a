//! Servers as processes: started on cores of their own, their processor time and memory read from `/proc`, stopped
//! while others are measured, and ended with everything that they started.

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to end when asked politely.
const FAREWELL: Duration = Duration::from_secs(120);

pub struct Server {
    child: Child,
    /// The process and its descendants.
    family: Vec<Pid>,
    log: PathBuf,
    pub port: u16,
    /// How many it may run on.
    pub cores: usize,
}

/// Resident memory in bytes: all of it, and the part that no file backs.
#[derive(Clone, Copy)]
pub struct Memory {
    pub resident: u64,
    pub anonymous: u64,
}

impl Server {
    /// Starts `command`, which will listen on `port`, on `cores`; what it prints goes to the file `log`.
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
        let program = command.get_program().to_string_lossy().into_owned();
        let child =
            started.map_err(|error| io::Error::new(error.kind(), format!("cannot start {program}: {error}")))?;
        let family = vec![pid_of(&child)];
        Ok(Self { child, family, log: log.to_owned(), port, cores: cores.len() })
    }

    /// How the server ended although nobody asked it to, with the last line that it wrote.
    pub fn ended(&mut self) -> io::Result<Option<String>> {
        let Some(status) = self.child.try_wait()? else { return Ok(None) };
        let log = fs::read_to_string(&self.log)?;
        Ok(Some(format!("{status}: {}", log.lines().last().unwrap_or("it said nothing"))))
    }

    /// Looks for processes that the server has started; call it once the server answers.
    pub fn meet_family(&mut self) -> io::Result<()> {
        self.family = descendants(pid_of(&self.child))?;
        Ok(())
    }

    /// User and system time of the whole family so far.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        self.family.iter().map(|pid| cpu_time_of(&format!("/proc/{pid}/stat"))).sum()
    }

    pub fn memory(&self) -> io::Result<Memory> {
        let mut memory = Memory { resident: 0, anonymous: 0 };
        for pid in &self.family {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            memory.resident += kilobytes(&status, "VmRSS:")? * 1024;
            memory.anonymous += kilobytes(&status, "RssAnon:")? * 1024;
        }
        Ok(memory)
    }

    /// Stops the processes, so that their background work does not fall into another server's measurement.
    pub fn rest(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    pub fn wake(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// For whoever asks only once. A server that was stopped goes by the time of then for half a second, and may
    /// call its first request late (408).
    pub fn wake_up(&self) -> io::Result<()> {
        self.wake()?;
        thread::sleep(Duration::from_secs(1));
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
    /// Asks first: a database that was closed in order needs no recovery when it is used again.
    fn drop(&mut self) {
        if let Ok(family) = descendants(pid_of(&self.child)) {
            self.family = family;
        }
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

pub fn pin_this_thread(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(None, &set)
        .map_err(|error| io::Error::other(format!("cannot run on the cores {cores:?} alone: {error}")))
}

/// Processor time of the calling thread so far.
pub fn own_cpu_time() -> io::Result<Duration> {
    cpu_time_of("/proc/thread-self/stat")
}

/// A port of the loopback interface that nobody listens on just now.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// `pid` and everything below it.
fn descendants(pid: Pid) -> io::Result<Vec<Pid>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else { continue };
        // A process may end between the listing and the reading.
        let Ok(stat) = fs::read_to_string(format!("/proc/{number}/stat")) else { continue };
        if let Some(parent) = stat_field(&stat, 4).and_then(|field| Pid::from_raw(field as i32)) {
            parents.push((number, parent));
        }
    }
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let parent = family[at];
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        at += 1;
    }
    Ok(family)
}

/// proc_pid_stat(5): utime and stime, fields 14 and 15, in clock ticks.
fn cpu_time_of(stat: &str) -> io::Result<Duration> {
    let text = fs::read_to_string(stat)?;
    let ticks = stat_field(&text, 14).zip(stat_field(&text, 15)).map(|(user, system)| user + system);
    let ticks = ticks.ok_or_else(|| io::Error::other(format!("{stat} has no processor times")))?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Field `number` (from 1, at least 4) of a stat line; the second is a name in parentheses that may hold anything.
fn stat_field(stat: &str, number: usize) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number - 3)?.parse().ok()
}

fn kilobytes(status: &str, name: &str) -> io::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("the process status has no {name}")))
}
