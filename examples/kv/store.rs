//! The keys and their values, with times to live.
//!
//! A key whose time is over is removed when it is next looked at; [`Store::sweep`], which a timer
//! calls, removes those that nobody looks at.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use indexmap::{IndexMap, IndexSet};

use super::reply::Failure;

/// An immutable string: a key, an element, a member, a field.
pub(crate) type Bytes = Box<[u8]>;
pub(crate) type Text = Vec<u8>;
pub(crate) type List = VecDeque<Bytes>;
pub(crate) type Set = IndexSet<Bytes, RandomState>;
pub(crate) type Hash = IndexMap<Bytes, Text, RandomState>;

/// How many keys one call of [`Store::sweep`] looks at.
const SWEEP: usize = 1000;
/// The deadline of a key that has none.
const NEVER: i64 = 0;

#[derive(Debug)]
pub(crate) enum Value {
    Text(Text),
    List(Box<List>),
    Set(Box<Set>),
    Hash(Box<Hash>),
}

impl Value {
    /// The word that `TYPE` answers.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
        }
    }
}

/// One of the types that a value can have.
pub(crate) trait Typed: Default {
    fn of(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    fn is_empty(&self) -> bool;
}

macro_rules! typed {
    ($Type:ty, $Variant:ident, $value:ident => $wrapped:expr) => {
        impl Typed for $Type {
            fn of(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$Variant(inner) => Some(inner),
                    _ => None,
                }
            }

            fn into_value(self) -> Value {
                let $value = self;
                Value::$Variant($wrapped)
            }

            fn is_empty(&self) -> bool {
                self.is_empty()
            }
        }
    };
}

typed!(Text, Text, text => text);
typed!(List, List, list => Box::new(list));
typed!(Set, Set, set => Box::new(set));
typed!(Hash, Hash, hash => Box::new(hash));

#[derive(Debug)]
struct Entry {
    value: Value,
    /// Milliseconds since 1970, or [`NEVER`].
    deadline: i64,
}

/// Counters for `INFO`.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) clients: u64,
    pub(crate) connections: u64,
    pub(crate) commands: u64,
    pub(crate) expired: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

#[derive(Debug)]
pub(crate) struct Store {
    entries: IndexMap<Bytes, Entry, RandomState>,
    /// How many entries have a deadline.
    volatile: usize,
    /// Where the sweep continues: the entries below have not been looked at in this round.
    cursor: usize,
    clock: fn() -> i64,
    /// What the clock said in this batch of commands, if it was asked.
    now: Option<i64>,
    /// How many clients have ever come.
    connections: u64,
    pub(crate) stats: Stats,
}

/// The time of day in milliseconds since 1970.
pub(crate) fn time_of_day() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}

impl Store {
    pub(crate) fn new(clock: fn() -> i64) -> Self {
        Self {
            entries: IndexMap::default(),
            volatile: 0,
            cursor: 0,
            clock,
            now: None,
            connections: 0,
            stats: Stats::default(),
        }
    }

    /// Begins a batch of commands, for all of which it is the same time.
    pub(crate) fn begin(&mut self) {
        self.now = None;
    }

    /// Counts a client that has come: its number.
    pub(crate) fn connected(&mut self) -> u64 {
        self.stats.clients += 1;
        self.connections += 1;
        self.stats.connections += 1;
        self.connections
    }

    /// Counts a client that has gone.
    pub(crate) fn disconnected(&mut self) {
        self.stats.clients -= 1;
    }

    pub(crate) fn now(&mut self) -> i64 {
        *self.now.get_or_insert_with(self.clock)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many keys have a deadline.
    pub(crate) fn volatile(&self) -> usize {
        self.volatile
    }

    /// Where `key` is, if it is alive. One that is over is removed.
    #[inline]
    fn find(&mut self, key: &[u8]) -> Option<usize> {
        let index = self.entries.get_index_of(key)?;
        if self.entries[index].deadline != NEVER && self.is_over(index) {
            self.stats.expired += 1;
            self.remove_at(index);
            return None;
        }
        Some(index)
    }

    fn is_over(&mut self, index: usize) -> bool {
        let deadline = self.entries[index].deadline;
        deadline != NEVER && self.now() > deadline
    }

    fn remove_at(&mut self, index: usize) -> Option<(Bytes, Value)> {
        let (key, entry) = self.entries.swap_remove_index(index)?;
        self.volatile -= usize::from(entry.deadline != NEVER);
        Some((key, entry.value))
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&Value> {
        let found = self.find(key);
        match found {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        found.map(|index| &self.entries[index].value)
    }

    pub(crate) fn contains(&mut self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// The value of `key`, if there is one, as a `T`.
    #[inline]
    pub(crate) fn get_as<T: Typed>(&mut self, key: &[u8]) -> Result<Option<&mut T>, Failure> {
        let Some(index) = self.find(key) else {
            self.stats.misses += 1;
            return Ok(None);
        };
        self.stats.hits += 1;
        match T::of(&mut self.entries[index].value) {
            Some(value) => Ok(Some(value)),
            None => Err(Failure::WRONG_TYPE),
        }
    }

    /// The value of `key` as a `T`; an empty one is made if there is none.
    pub(crate) fn get_or_new<T: Typed>(&mut self, key: &[u8]) -> Result<&mut T, Failure> {
        let index = match self.find(key) {
            Some(index) => index,
            None => self.insert_new(key, T::default().into_value()),
        };
        T::of(&mut self.entries[index].value).ok_or(Failure::WRONG_TYPE)
    }

    /// Removes `key` if its value has become empty.
    pub(crate) fn remove_if_empty<T: Typed>(&mut self, key: &[u8]) {
        if let Some(index) = self.entries.get_index_of(key)
            && T::of(&mut self.entries[index].value).is_some_and(|value| value.is_empty())
        {
            self.remove_at(index);
        }
    }

    fn insert_new(&mut self, key: &[u8], value: Value) -> usize {
        let deadline = NEVER;
        let (index, _) = self
            .entries
            .insert_full(key.into(), Entry { value, deadline });
        index
    }

    /// Makes `text` the value of `key`, in the memory of the present one if it fits. The deadline
    /// goes, unless `keep_deadline`.
    pub(crate) fn set(&mut self, key: &[u8], text: &[u8], keep_deadline: bool) {
        let Some(index) = self.find(key) else {
            self.insert_new(key, Value::Text(text.to_vec()));
            return;
        };
        if !keep_deadline {
            self.set_deadline_at(index, NEVER);
        }
        match &mut self.entries[index].value {
            Value::Text(present) if fits(present.capacity(), text.len()) => {
                present.clear();
                present.extend_from_slice(text);
            }
            value => *value = Value::Text(text.to_vec()),
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Value> {
        let index = self.find(key)?;
        self.remove_at(index).map(|(_, value)| value)
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        self.entries = IndexMap::default();
        (self.volatile, self.cursor) = (0, 0);
    }

    /// `None` if there is no such key, `Some(None)` if it has no deadline.
    pub(crate) fn deadline(&mut self, key: &[u8]) -> Option<Option<i64>> {
        let index = self.find(key)?;
        let deadline = self.entries[index].deadline;
        Some((deadline != NEVER).then_some(deadline))
    }

    /// Sets or takes the deadline of a key that exists. One that is in the past removes the key.
    pub(crate) fn set_deadline(&mut self, key: &[u8], deadline: Option<i64>) {
        let Some(index) = self.find(key) else {
            return;
        };
        match deadline {
            None => self.set_deadline_at(index, NEVER),
            Some(deadline) if deadline > self.now() => self.set_deadline_at(index, deadline),
            Some(_) => _ = self.remove_at(index),
        }
    }

    fn set_deadline_at(&mut self, index: usize, deadline: i64) {
        let entry = &mut self.entries[index];
        self.volatile -= usize::from(entry.deadline != NEVER);
        self.volatile += usize::from(deadline != NEVER);
        entry.deadline = deadline;
    }

    /// The keys that are alive.
    pub(crate) fn keys(&mut self) -> impl Iterator<Item = &[u8]> {
        let now = self.now();
        let alive = move |entry: &Entry| entry.deadline == NEVER || now <= entry.deadline;
        let alive = self.entries.iter().filter(move |(_, entry)| alive(entry));
        alive.map(|(key, _)| &**key)
    }

    /// Shows `count` keys, from the cursor on, to `each`, and returns the next cursor; 0 is the begin and
    /// the end. A key that is there all the time between the two is shown, once or more.
    ///
    /// The cursor says how many keys are still to be shown, from the last one down. Only keys above
    /// it, which were shown, are moved to below it, when one there is removed.
    pub(crate) fn scan(
        &mut self,
        cursor: usize,
        count: usize,
        mut each: impl FnMut(&[u8], &Value),
    ) -> usize {
        let len = self.entries.len();
        let end = if cursor == 0 { len } else { cursor.min(len) };
        let begin = end.saturating_sub(count);
        let now = self.now();
        let part = self.entries.get_range(begin..end);
        for (key, entry) in part.into_iter().flatten().rev() {
            if entry.deadline == NEVER || now <= entry.deadline {
                each(key, &entry.value);
            }
        }
        begin
    }

    /// Some key that is alive: the first one at or after the given place.
    pub(crate) fn key_near(&mut self, place: u64) -> Option<&[u8]> {
        while !self.entries.is_empty() {
            let len = u64::try_from(self.entries.len()).expect("fewer than 2^64 keys");
            let index = usize::try_from(place % len).expect("below a length");
            if !self.is_over(index) {
                return self.entries.get_index(index).map(|(key, _)| &**key);
            }
            self.stats.expired += 1;
            self.remove_at(index);
        }
        None
    }

    /// Looks at the next thousand keys and removes those whose time is over. Answers whether so many
    /// were (a quarter) that it is worth while to go on at once.
    pub(crate) fn sweep(&mut self) -> bool {
        if self.volatile == 0 {
            return false;
        }
        self.begin();
        if self.cursor == 0 || self.cursor > self.entries.len() {
            self.cursor = self.entries.len();
        }
        // Downwards: what is moved into the place of a removed entry was looked at before.
        let looked = self.cursor.min(SWEEP);
        let before = self.entries.len();
        for _ in 0..looked {
            self.cursor -= 1;
            if self.is_over(self.cursor) {
                self.stats.expired += 1;
                self.remove_at(self.cursor);
            }
        }
        let removed = before - self.entries.len();
        removed * 4 > looked
    }
}

/// Whether a text of `len` bytes goes well into `capacity`: it fits, and wastes not too much.
pub(crate) fn fits(capacity: usize, len: usize) -> bool {
    len <= capacity && capacity <= 2 * len + 64
}

#[cfg(test)]
pub(crate) mod tests;
