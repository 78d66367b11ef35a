//! Lists of events. A list reads the index that narrows it most, in the order of the log; what the index cannot decide
//! is decided row by row, for a bounded number of rows per page. The next page goes on where that search stopped.

use super::events::{EVENT, event};
use crate::error::Result;
use crate::model::{Action, Event, EventFilter, EventStart, FoundEvents, KeyId, Time};
use crate::store::Tx;
use crate::store::columns::like_pattern;
use crate::store::value::{SqlValue, ToValue};

/// How many rows one page reads to find those that it shows.
const SEARCHED_AT_ONCE: i64 = 10_000;
/// Lines around a time that are searched too, because a clock that was set back leaves times out of order.
const OUT_OF_ORDER: i64 = 1000;
/// How many keys with the same hint are looked for.
const SAME_HINT: i64 = 5;

type RawId = [u8; 16];

/// A condition on a row, with its values.
#[derive(Clone)]
struct Condition {
    /// SQL with a `?` for each value.
    text: String,
    values: Vec<Operand>,
}

#[derive(Clone)]
enum Operand {
    Id(RawId),
    Number(i64),
    Text(String),
}

impl ToValue for Operand {
    fn value(&self) -> SqlValue<'_> {
        match self {
            Operand::Id(id) => id.value(),
            Operand::Number(number) => number.value(),
            Operand::Text(text) => text.value(),
        }
    }
}

fn condition(text: impl Into<String>, values: Vec<Operand>) -> Condition {
    Condition { text: text.into(), values }
}

/// What a page reads.
struct EventScan {
    /// One read per source, each in the order of an index; their rows are merged. Together they exclude nothing that
    /// the filter lets pass.
    sources: Vec<Condition>,
    /// What is decided row by row.
    rest: Vec<Condition>,
    /// The lines strictly between these numbers.
    above: i64,
    below: i64,
    is_upwards: bool,
    limit: usize,
}

/// What one source has: its rows, and the last row that it looked at if it stopped before its end.
struct FromSource {
    rows: Vec<Event>,
    stopped_at: Option<i64>,
}

impl Tx<'_> {
    /// The events that match the filter, newest first.
    pub fn events(&self, filter: &EventFilter) -> Result<FoundEvents> {
        let about = match &filter.search {
            Some(text) => self.ids_meant(text)?,
            None => Vec::new(),
        };
        let page = self.page_of_events(filter, &about)?;
        // The id may be in a detail only, such as that of a session.
        if page.rows.is_empty() && !about.is_empty() {
            return self.page_of_events(filter, &[]);
        }
        Ok(page)
    }

    /// The newest events by or about this id.
    pub fn events_concerning(&self, id: RawId, limit: usize) -> Result<Vec<Event>> {
        let filter = EventFilter { limit, ..EventFilter::default() };
        Ok(self.page_of_events(&filter, &[id])?.rows)
    }

    /// Those of these ids that a key or a person has.
    pub fn ids_in_use(&self, ids: &[RawId]) -> Result<Vec<RawId>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = (1..=ids.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let values: Vec<_> = ids.iter().map(ToValue::value).collect();
        let text =
            format!("SELECT id FROM keys WHERE id IN ({places}) UNION ALL SELECT id FROM users WHERE id IN ({places})");
        self.rows(&text, values.as_slice(), |row| row.get(0))
    }

    fn page_of_events(&self, filter: &EventFilter, about: &[RawId]) -> Result<FoundEvents> {
        let Some(scan) = self.scan(filter, about)? else { return Ok(FoundEvents::default()) };
        let found = scan.sources.iter().map(|source| self.read_source(&scan, source)).collect::<Result<Vec<_>>>()?;
        // Beyond the first place where a source stopped, rows could be missing between those of the others.
        let stops = found.iter().filter_map(|source| source.stopped_at);
        let stop = if scan.is_upwards { stops.min() } else { stops.max() };
        let mut rows: Vec<_> = found.into_iter().flat_map(|source| source.rows).collect();
        rows.retain(|row| stop.is_none_or(|stop| if scan.is_upwards { row.seq <= stop } else { row.seq >= stop }));
        rows.sort_by_key(|row| if scan.is_upwards { row.seq } else { -row.seq });
        rows.dedup_by_key(|row| row.seq);
        let is_full = rows.len() > scan.limit;
        rows.truncate(scan.limit);
        let next = if is_full { rows.last().map(|row| row.seq) } else { stop };
        if scan.is_upwards {
            rows.reverse();
        }
        let (first, last) = (rows.first().map(|row| row.seq), rows.last().map(|row| row.seq));
        let searched_to = match stop.filter(|_| !is_full) {
            Some(seq) => self.time_of_event(seq)?,
            None => None,
        };
        let (older, newer) = match filter.start {
            EventStart::Newest => (next, None),
            EventStart::Before(seq) => (next, Some(first.unwrap_or(seq - 1))),
            EventStart::After(seq) => (Some(last.unwrap_or(seq + 1)), next),
        };
        Ok(FoundEvents { rows, older, newer, searched_to })
    }

    /// `None` if nothing can match.
    fn scan(&self, filter: &EventFilter, about: &[RawId]) -> Result<Option<EventScan>> {
        let mut rest = Vec::new();
        let (mut above, mut below) = match filter.start {
            EventStart::Newest => (i64::MIN, i64::MAX),
            EventStart::Before(seq) => (i64::MIN, seq),
            EventStart::After(seq) => (seq, i64::MAX),
        };
        if let Some(since) = filter.since {
            above = above.max(self.first_event_since(since)?.saturating_sub(OUT_OF_ORDER));
            rest.push(condition("at >= ?", vec![Operand::Number(since.millis())]));
        }
        if let Some(until) = filter.until {
            below = below.min(self.first_event_since(until)?.saturating_add(OUT_OF_ORDER));
            rest.push(condition("at < ?", vec![Operand::Number(until.millis())]));
        }
        let mut narrow = Vec::new();
        if let Some(id) = filter.object {
            narrow.push(vec![condition("object_id = ?", vec![Operand::Id(id)])]);
        }
        if let Some(id) = filter.actor {
            narrow.push(vec![condition("actor_id = ?", vec![Operand::Id(id)])]);
        }
        match (&filter.search, about) {
            (_, [_, ..]) => narrow.push(concerning(about)),
            (Some(text), []) => {
                rest.push(self.contains(text, ["actor", "object", "action", "address", "request_id", "detail"]))
            }
            (None, []) => {}
        }
        if let Some(person) = &filter.person {
            match self.person_meant(person)? {
                Some(id) => narrow.push(concerning(&[id])),
                None => rest.push(self.contains(person, ["actor", "object"])),
            }
        }
        if let Some(actions) = filter.wanted_actions() {
            if actions.is_empty() {
                return Ok(None);
            }
            narrow.push(actions.into_iter().map(with_action).collect());
        }
        let mut narrow = narrow.into_iter();
        let sources = narrow.next().unwrap_or_else(|| vec![condition("1 = 1", Vec::new())]);
        rest.extend(narrow.map(|alternatives| any_of(&alternatives)));
        let is_upwards = matches!(filter.start, EventStart::After(_));
        Ok(Some(EventScan { sources, rest, above, below, is_upwards, limit: filter.limit }))
    }

    fn read_source(&self, scan: &EventScan, source: &Condition) -> Result<FromSource> {
        let (order, wanted) = (if scan.is_upwards { "ASC" } else { "DESC" }, scan.limit.saturating_add(1));
        let budget = SEARCHED_AT_ONCE / scan.sources.len() as i64;
        let range = condition("seq > ? AND seq < ?", vec![Operand::Number(scan.above), Operand::Number(scan.below)]);
        let inner = all_of(&[source.clone(), range]);
        let number = |number: usize| Operand::Number(i64::try_from(number).unwrap_or(i64::MAX));
        if scan.rest.is_empty() {
            let text = format!("SELECT {EVENT} FROM events WHERE {} ORDER BY seq {order} LIMIT ?", inner.text);
            let values = [inner.values, vec![number(wanted)]].concat();
            return Ok(FromSource { rows: self.rows_of(&text, &values)?, stopped_at: None });
        }
        let rest = all_of(&scan.rest);
        let text = format!(
            "SELECT {EVENT} FROM (SELECT {EVENT} FROM events WHERE {} ORDER BY seq {order} LIMIT ?) AS near WHERE {} \
             ORDER BY seq {order} LIMIT ?",
            inner.text, rest.text
        );
        let budgeted = [inner.values, vec![Operand::Number(budget)]].concat();
        let values = [budgeted.clone(), rest.values, vec![number(wanted)]].concat();
        let rows = self.rows_of(&text, &values)?;
        let stopped_at = match rows.len() == wanted {
            true => None,
            false => {
                let text = format!("SELECT seq FROM events WHERE {} ORDER BY seq {order} LIMIT 1 OFFSET ?", inner.text);
                let (text, mut values) = (numbered(&text), budgeted);
                values.pop();
                values.push(Operand::Number(budget - 1));
                self.row(&text, as_values(&values).as_slice(), |row| row.get(0))?
            }
        };
        Ok(FromSource { rows, stopped_at })
    }

    fn rows_of(&self, text: &str, values: &[Operand]) -> Result<Vec<Event>> {
        self.rows(&numbered(text), as_values(values).as_slice(), event)
    }

    /// Whether one of these columns contains the text.
    fn contains<const N: usize>(&self, text: &str, columns: [&str; N]) -> Condition {
        let like = self.dialect("LIKE", "ILIKE");
        let pattern = like_pattern(text);
        let each: Vec<_> = columns
            .iter()
            .map(|column| condition(format!("{column} {like} ? ESCAPE '\\'"), vec![Operand::Text(pattern.clone())]))
            .collect();
        any_of(&each)
    }

    /// The ids that a search text names: itself, or those of keys with this hint.
    fn ids_meant(&self, text: &str) -> Result<Vec<RawId>> {
        if let Ok(id) = KeyId::parse(text) {
            return Ok(vec![*id.as_bytes()]);
        }
        let hints = self.dialect(
            "SELECT id FROM key_hints WHERE hint = ?1 LIMIT ?2",
            "SELECT id FROM keys WHERE hint = ?1 LIMIT ?2",
        );
        self.rows(hints, (text, SAME_HINT), |row| row.get(0))
    }

    fn person_meant(&self, text: &str) -> Result<Option<RawId>> {
        if let Ok(id) = KeyId::parse(text) {
            return Ok(Some(*id.as_bytes()));
        }
        self.row("SELECT id FROM users WHERE email = ?1", [text.to_lowercase()], |row| row.get(0))
    }

    fn time_of_event(&self, seq: i64) -> Result<Option<Time>> {
        self.row("SELECT at FROM events WHERE seq = ?1", [seq], |row| Ok(Time::from_millis(row.get(0)?)))
    }

    /// The first line at or after this time, or one after the last line, if the times are in order: a binary search.
    fn first_event_since(&self, time: Time) -> Result<i64> {
        let (mut low, mut high) = (1, self.last_event()?.unwrap_or_default().0 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let text = "SELECT at FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1";
            let at: Option<i64> = self.row(text, [middle], |row| row.get(0))?;
            if at.is_some_and(|at| at < time.millis()) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

/// By or about one of these.
fn concerning(ids: &[RawId]) -> Vec<Condition> {
    let with = |column: &str, id: RawId| condition(format!("{column} = ?"), vec![Operand::Id(id)]);
    ids.iter().flat_map(|id| [with("object_id", *id), with("actor_id", *id)]).collect()
}

fn with_action(action: Action) -> Condition {
    condition("action = ?", vec![Operand::Text(action.as_str().to_owned())])
}

fn all_of(conditions: &[Condition]) -> Condition {
    joined(conditions, " AND ")
}

fn any_of(conditions: &[Condition]) -> Condition {
    joined(conditions, " OR ")
}

fn joined(conditions: &[Condition], word: &str) -> Condition {
    let texts: Vec<_> = conditions.iter().map(|one| one.text.as_str()).collect();
    let values = conditions.iter().flat_map(|one| one.values.clone()).collect();
    condition(format!("({})", texts.join(word)), values)
}

fn as_values(values: &[Operand]) -> Vec<SqlValue<'_>> {
    values.iter().map(ToValue::value).collect()
}

/// The statement with `?1`, `?2` and so on for its `?`.
fn numbered(text: &str) -> String {
    let (mut numbered, mut place) = (String::with_capacity(text.len() + 16), 0);
    for c in text.chars() {
        numbered.push(c);
        if c == '?' {
            place += 1;
            numbered.push_str(&place.to_string());
        }
    }
    numbered
}
