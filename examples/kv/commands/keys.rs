//! Commands on keys, whatever their values are, and on their times to live.

use super::strings::Clock;
use super::{Call, Outcome, is};
use crate::kv::glob;
use crate::kv::number;
use crate::kv::reply::{self, Failure};

pub(super) fn del(call: &mut Call<'_>) -> Outcome {
    let keys = call.args.from(1);
    let removed = keys.filter(|key| call.store.remove(key).is_some()).count();
    call.reply_count(removed)
}

pub(super) fn exists(call: &mut Call<'_>) -> Outcome {
    let keys = call.args.from(1);
    let found = keys.filter(|key| call.store.contains(key)).count();
    call.reply_count(found)
}

pub(super) fn kind(call: &mut Call<'_>) -> Outcome {
    let value = call.store.get(call.args.at(1));
    reply::simple(call.out, value.map_or("none", |value| value.type_name()));
    Ok(())
}

pub(super) fn keys(call: &mut Call<'_>) -> Outcome {
    let pattern = call.arg(1);
    let fitting = call.store.keys().filter(|key| glob::matches(pattern, key));
    // How many there are comes first in the reply and is known last.
    let mut items = Vec::new();
    let mut count = 0;
    for key in fitting {
        reply::bulk(&mut items, key);
        count += 1;
    }
    reply::array(call.out, count);
    call.out.append(&mut items);
    Ok(())
}

pub(super) fn scan(call: &mut Call<'_>) -> Outcome {
    let cursor = number::parse(call.arg(1)).and_then(|cursor| usize::try_from(cursor).ok());
    let cursor = cursor.ok_or(Failure::new("ERR invalid cursor"))?;
    let (mut pattern, mut kind, mut count) = (None, None, 10);
    let mut options = call.args.from(2);
    while let Some(option) = options.next() {
        let value = options.next().ok_or(Failure::SYNTAX)?;
        if is(option, "match") {
            pattern = Some(value);
        } else if is(option, "type") {
            kind = Some(value);
        } else if is(option, "count") {
            let number = number::parse(value).ok_or(Failure::NOT_AN_INTEGER)?;
            count = usize::try_from(number).map_err(|_| Failure::SYNTAX)?;
            if count == 0 {
                return Err(Failure::SYNTAX);
            }
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    let mut items = Vec::new();
    let mut found = 0;
    let next = call.store.scan(cursor, count, |key, value| {
        let fits = pattern.is_none_or(|pattern| glob::matches(pattern, key));
        if fits && kind.is_none_or(|kind| is(kind, value.type_name())) {
            reply::bulk(&mut items, key);
            found += 1;
        }
    });
    reply::array(call.out, 2);
    reply::bulk(call.out, next.to_string().as_bytes());
    reply::array(call.out, found);
    call.out.append(&mut items);
    Ok(())
}

pub(super) fn randomkey(call: &mut Call<'_>) -> Outcome {
    let place = call.client.random();
    reply::bulk_or_nil(call.out, call.store.key_near(place));
    Ok(())
}

pub(super) fn dbsize(call: &mut Call<'_>) -> Outcome {
    let len = call.store.len();
    call.reply_count(len)
}

pub(super) fn flush(call: &mut Call<'_>) -> Outcome {
    let mode = call.args.from(1).next();
    let known = mode.is_none_or(|mode| is(mode, "sync") || is(mode, "async"));
    if call.args.len() > 2 || !known {
        return Err(Failure::SYNTAX);
    }
    call.store.clear();
    call.ok()
}

pub(super) fn expire(call: &mut Call<'_>) -> Outcome {
    expire_at(
        call,
        Clock {
            seconds: true,
            absolute: false,
        },
    )
}

pub(super) fn pexpire(call: &mut Call<'_>) -> Outcome {
    expire_at(
        call,
        Clock {
            seconds: false,
            absolute: false,
        },
    )
}

pub(super) fn expireat(call: &mut Call<'_>) -> Outcome {
    expire_at(
        call,
        Clock {
            seconds: true,
            absolute: true,
        },
    )
}

pub(super) fn pexpireat(call: &mut Call<'_>) -> Outcome {
    expire_at(
        call,
        Clock {
            seconds: false,
            absolute: true,
        },
    )
}

/// Conditions of `EXPIRE`: the key has no deadline, has one, gets a later one, an earlier one.
#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(call: &Call<'_>) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for word in call.args.from(3) {
            let flag = match () {
                () if is(word, "nx") => &mut conditions.nx,
                () if is(word, "xx") => &mut conditions.xx,
                () if is(word, "gt") => &mut conditions.gt,
                () if is(word, "lt") => &mut conditions.lt,
                () => return Err(Failure::text([b"ERR Unsupported option ", word].concat())),
            };
            *flag = true;
        }
        let Self { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            return Err(Failure::new(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if gt && lt {
            return Err(Failure::new(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// No deadline is later than each.
    fn hold(&self, present: Option<i64>, deadline: i64) -> bool {
        let later = present.is_some_and(|present| deadline > present);
        let earlier = present.is_none_or(|present| deadline < present);
        !(self.nx && present.is_some()
            || self.xx && present.is_none()
            || self.gt && !later
            || self.lt && !earlier)
    }
}

fn expire_at(call: &mut Call<'_>, clock: Clock) -> Outcome {
    let conditions = Conditions::parse(call)?;
    let time = call.integer(2)?;
    let base = if clock.absolute { 0 } else { call.store.now() };
    let unit = if clock.seconds { 1000 } else { 1 };
    let deadline = time
        .checked_mul(unit)
        .and_then(|time| time.checked_add(base));
    let deadline = deadline.ok_or_else(|| Failure::expire_time(call.name))?;
    let key = call.arg(1);
    let present = call.store.deadline(key);
    let applies = present.is_some_and(|present| conditions.hold(present, deadline));
    if applies {
        call.store.set_deadline(key, Some(deadline));
    }
    call.reply_integer(i64::from(applies))
}

pub(super) fn ttl(call: &mut Call<'_>) -> Outcome {
    left(call, |deadline, now| ((deadline - now).max(0) + 500) / 1000)
}

pub(super) fn pttl(call: &mut Call<'_>) -> Outcome {
    left(call, |deadline, now| (deadline - now).max(0))
}

pub(super) fn expiretime(call: &mut Call<'_>) -> Outcome {
    left(call, |deadline, _| deadline.saturating_add(500) / 1000)
}

pub(super) fn pexpiretime(call: &mut Call<'_>) -> Outcome {
    left(call, |deadline, _| deadline)
}

/// Replies what `f` makes of deadline and time of day; -2 without a key, -1 without a deadline.
fn left(call: &mut Call<'_>, f: impl FnOnce(i64, i64) -> i64) -> Outcome {
    let left = match call.store.deadline(call.args.at(1)) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => f(deadline, call.store.now()),
    };
    call.reply_integer(left)
}

pub(super) fn persist(call: &mut Call<'_>) -> Outcome {
    let key = call.arg(1);
    let had = call.store.deadline(key).flatten().is_some();
    if had {
        call.store.set_deadline(key, None);
    }
    call.reply_integer(i64::from(had))
}
