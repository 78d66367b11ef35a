//! The clients of a key: which address and program used it, when first, when last, and how often on each day.

use super::Time;
use super::usage::{Day, Hour, Tally};

/// Maximum clients of a key that are kept; the least recently seen one gives way.
pub const MAX_CLIENTS_PER_KEY: usize = 50;
/// How many days of counts a client keeps, and how long a client that is no longer seen is kept.
pub const CLIENT_DAYS: u32 = 90;

/// An address with a program; either is empty if it is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName {
    pub address: String,
    pub user_agent: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClient {
    pub name: ClientName,
    pub first_at: Time,
    pub last_at: Time,
    pub days: DayCounts,
}

/// Uses of a key by one client in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUses {
    pub name: ClientName,
    pub hour: Hour,
    pub count: u64,
    pub last_at: Time,
}

impl ClientUses {
    pub fn of(hour: Hour, tally: &Tally) -> Self {
        let address = tally.last_client.address_text().unwrap_or_default();
        let name = ClientName { address, user_agent: tally.last_client.program().unwrap_or_default() };
        ClientUses { name, hour, count: tally.count, last_at: tally.last_at }
    }
}

/// Counts per day, for up to [`CLIENT_DAYS`] days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCounts {
    last: Day,
    /// Newest first; the first count is of the day `last`.
    counts: Vec<u64>,
}

impl DayCounts {
    fn one(day: Day, count: u64) -> Self {
        DayCounts { last: day, counts: vec![count] }
    }

    /// Reads what [`DayCounts::text`] wrote; what cannot be read counts as nothing.
    pub fn stored(text: &str) -> Self {
        let mut numbers = text.split(' ');
        let last = Day(numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0));
        let counts = numbers.map(|number| number.parse().unwrap_or(0)).take(CLIENT_DAYS as usize).collect();
        DayCounts { last, counts }
    }

    /// The last day and then the counts: `20785 12 0 4`.
    pub fn text(&self) -> String {
        let numbers = std::iter::once(u64::from(self.last.0)).chain(self.counts.iter().copied());
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    }

    pub fn last_day(&self) -> Day {
        self.last
    }

    fn add(&mut self, day: Day, count: u64) {
        let later = day.0.saturating_sub(self.last.0) as usize;
        if later > 0 {
            self.counts.splice(0..0, std::iter::repeat_n(0, later.min(CLIENT_DAYS as usize)));
            self.last = day;
        }
        let at = (self.last.0 - day.0) as usize;
        if at < CLIENT_DAYS as usize {
            self.counts.resize(self.counts.len().max(at + 1).min(CLIENT_DAYS as usize), 0);
            self.counts[at] = self.counts[at].saturating_add(count);
        }
        self.counts.truncate(CLIENT_DAYS as usize);
    }

    /// The uses from the day `from` to the day `to`, both included.
    pub fn sum(&self, from: Day, to: Day) -> u64 {
        let days = (0..).map(|before| self.last.0.saturating_sub(before)).zip(&self.counts);
        days.filter(|(day, _)| (from.0..=to.0).contains(day)).map(|(_, count)| count).sum()
    }
}

/// What a batch of uses changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClientChanges {
    pub put: Vec<KeyClient>,
    pub removed: Vec<ClientName>,
}

/// Adds uses to a key's stored clients.
pub fn merge(stored: Vec<KeyClient>, uses: impl IntoIterator<Item = ClientUses>) -> ClientChanges {
    let known = stored.len();
    let mut clients: Vec<(KeyClient, bool)> = stored.into_iter().map(|client| (client, false)).collect();
    for ClientUses { name, hour, count, last_at } in uses {
        match clients.iter_mut().find(|(client, _)| client.name == name) {
            Some((client, is_changed)) => {
                client.days.add(hour.day(), count);
                client.first_at = client.first_at.min(last_at);
                client.last_at = client.last_at.max(last_at);
                *is_changed = true;
            }
            None => {
                let days = DayCounts::one(hour.day(), count);
                clients.push((KeyClient { name, first_at: last_at, last_at, days }, true));
            }
        }
    }
    let mut changes = ClientChanges::default();
    let mut places: Vec<usize> = (0..clients.len()).collect();
    places.sort_by_key(|at| std::cmp::Reverse(clients[*at].0.last_at));
    let stays: std::collections::HashSet<usize> = places.into_iter().take(MAX_CLIENTS_PER_KEY).collect();
    for (at, (client, is_changed)) in clients.into_iter().enumerate() {
        if stays.contains(&at) {
            changes.put.extend(is_changed.then_some(client));
        } else if at < known {
            changes.removed.push(client.name);
        }
    }
    changes
}

/// The stored clients with more uses, the latest one first.
pub fn with(stored: Vec<KeyClient>, uses: impl IntoIterator<Item = ClientUses>) -> Vec<KeyClient> {
    let ClientChanges { put, removed } = merge(stored.clone(), uses);
    let is_replaced = |name: &ClientName| removed.contains(name) || put.iter().any(|client| client.name == *name);
    let mut clients: Vec<_> = stored.into_iter().filter(|client| !is_replaced(&client.name)).collect();
    clients.extend(put);
    clients.sort_by(|one, other| (other.last_at, &one.name).cmp(&(one.last_at, &other.name)));
    clients
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn uses(address: u32, day: i64, count: u64) -> ClientUses {
        let name = ClientName { address: address.to_string(), user_agent: String::new() };
        let last_at = Time::from_millis(day * DAY + 1);
        ClientUses { name, hour: Hour::of(last_at), count, last_at }
    }

    #[test]
    fn uses_are_counted_by_day_for_ninety_days() {
        let put = |stored: Vec<KeyClient>, used| merge(stored, [used]).put;
        let one = put(Vec::new(), uses(1, 100, 2));
        let one = put(one, uses(1, 103, 5));
        let one = put(one, uses(1, 101, 1));
        assert_eq!(one[0].days.text(), "103 5 0 1 2");
        assert_eq!(DayCounts::stored("103 5 0 1 2"), one[0].days);
        assert_eq!([(100, 103), (101, 102), (0, 100)].map(|(from, to)| one[0].days.sum(Day(from), Day(to))), [8, 1, 2]);
        assert_eq!([one[0].first_at, one[0].last_at], [100, 103].map(|day| Time::from_millis(day * DAY + 1)));
        let later = put(one.clone(), uses(1, 191, 7));
        assert_eq!(later[0].days.sum(Day(0), Day(200)), 12, "days 100 and 101 are forgotten");
        let much_later = put(one, uses(1, 10_000, 7));
        assert_eq!(much_later[0].days.counts.len(), CLIENT_DAYS as usize);
        assert_eq!(much_later[0].days.sum(Day(0), Day(10_000)), 7);
        assert_eq!(DayCounts::stored("x 1 y").sum(Day(0), Day(9)), 1);
    }

    #[test]
    fn the_least_recently_seen_client_gives_way() {
        let stored = merge(Vec::new(), (0..50).map(|n| uses(n, 100 + i64::from(n), 1))).put;
        assert_eq!(stored.len(), MAX_CLIENTS_PER_KEY);
        let flood = merge(stored, (1000..1200).map(|n| uses(n, 140, 1)));
        assert_eq!(flood.put.len() + 10, 50, "those seen on the days 140 to 149 stay");
        assert_eq!(flood.removed.len(), 40);
    }
}
