//! One schedule: what users do and what goes wrong, and then a quiet time in which everything must recover.

use super::rules::{LEASE, MS, Plan};
use super::world::{Time, World};

pub const NODES: usize = 4;
const TROUBLE: Time = 9_000 * MS;
/// Longer than the longest partition, freeze, delay and eviction together.
const QUIET: Time = 3_000 * MS + 4 * LEASE;

pub struct Outcome {
    pub answered: usize,
    /// How many of the nodes serve at the end.
    pub serving: usize,
    pub stale: Option<String>,
}

pub fn run(seed: u64, plan: Plan) -> Outcome {
    let mut world = World::new(seed, plan);
    for _ in 0..NODES {
        world.start();
    }
    let mut time = 400 * MS;
    while time < TROUBLE {
        world.at(time, World::change_and_trouble);
        let most = if world.chance(0.2) { 20 * MS } else { 400 * MS };
        time += world.between(0, most);
    }
    let mut time = 0;
    while time < TROUBLE {
        world.at(time, |world| {
            let node = world.somebody();
            world.check(node);
        });
        time += world.between(0, 50 * MS);
    }
    if plan.fails_over {
        let time = world.between(1_000 * MS, 7_000 * MS);
        world.at(time, World::fail_over);
    }
    world.run_until(TROUBLE + QUIET);
    let serving = (0..world.nodes.len()).filter(|node| world.serves(*node)).count();
    Outcome { answered: world.answered.len(), serving, stale: world.stale }
}

impl World {
    fn somebody(&mut self) -> usize {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up).collect();
        up[self.between(0, up.len() as Time) as usize]
    }

    fn change_and_trouble(&mut self) {
        let revoker = self.somebody();
        if self.now >= self.nodes[revoker].frozen_until {
            self.revoke(revoker);
        }
        let (node, end) = (self.somebody(), self.now + self.between(50 * MS, 3_000 * MS));
        match self.between(0, 100) {
            0..25 => self.nodes[node].cut_until = end,
            25..35 => {
                self.nodes[node].frozen_until = end;
                self.at(end, |_| {}); // the moment at which it answers again is looked at
            }
            35..40 if self.nodes.iter().filter(|node| node.is_up).count() > 2 => {
                self.nodes[node].is_up = false;
                let restart = self.now + self.between(0, 500 * MS);
                self.at(restart, World::start);
            }
            _ => {}
        }
    }
}
