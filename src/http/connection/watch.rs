//! The task of a worker that ends connections whose peers keep them waiting.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix_web::rt;
use tokio::time::MissedTickBehavior;

use super::life::Life;
use super::{Connection, Deadlines};

/// Deadlines in looks.
#[derive(Clone, Copy)]
pub struct Limits {
    pub idle: u32,
    pub head: u32,
    pub unread: u32,
}

/// One worker's connections.
pub struct Watch {
    lives: RefCell<Vec<Weak<Life>>>,
}

impl Watch {
    /// Looks from now on, as long as the worker runs. To be called on the worker's thread.
    pub fn start(deadlines: Deadlines) -> Rc<Self> {
        let watch = Rc::new(Watch { lives: RefCell::default() });
        let Deadlines { idle, head, unread } = deadlines;
        let every = idle.min(head).min(unread).div_f32(4.0).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let looks = |deadline: Duration| deadline.as_millis().div_ceil(every.as_millis()) as u32;
        let limits = Limits { idle: looks(idle), head: looks(head), unread: looks(unread) };
        let watched = Rc::clone(&watch);
        rt::spawn(async move {
            let mut times = rt::time::interval(every);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                times.tick().await;
                watched.look(&limits);
            }
        });
        watch
    }

    pub fn over<T>(&self, stream: T) -> Connection<T> {
        let life = Rc::new(Life::default());
        self.lives.borrow_mut().push(Rc::downgrade(&life));
        Connection::new(stream, life)
    }

    fn look(&self, limits: &Limits) {
        self.lives.borrow_mut().retain(|life| match life.upgrade() {
            Some(life) => {
                life.look(limits);
                true
            }
            None => false,
        });
    }
}
