//! Commands on texts, and on texts that are numbers.

use super::{Call, Outcome, is, range};
use crate::kv::number;
use crate::kv::reply::{self, Failure};
use crate::kv::store::Text;

pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let text = call.store.get_as::<Text>(call.args.at(1))?;
    reply::bulk_or_nil(call.out, text.map(|text| &**text));
    Ok(())
}

/// Which keys `SET` applies to.
#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Always,
    IfMissing,
    IfPresent,
}

/// A unit of time and what it counts from, of `EX`, `PX`, `EXAT` and `PXAT`.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Clock {
    pub(super) seconds: bool,
    pub(super) absolute: bool,
}

/// What the options of `SET` say.
struct SetOptions {
    condition: Condition,
    get: bool,
    keep_deadline: bool,
    expire: Option<(Clock, usize)>,
}

impl SetOptions {
    fn parse(call: &Call<'_>) -> Result<Self, Failure> {
        let mut options = Self {
            condition: Condition::Always,
            get: false,
            keep_deadline: false,
            expire: None,
        };
        let mut at = 3;
        while at < call.args.len() {
            let word = call.arg(at);
            let clock = CLOCKS.iter().find(|(name, _)| is(word, name));
            if is(word, "nx") && options.condition != Condition::IfPresent {
                options.condition = Condition::IfMissing;
            } else if is(word, "xx") && options.condition != Condition::IfMissing {
                options.condition = Condition::IfPresent;
            } else if is(word, "get") {
                options.get = true;
            } else if is(word, "keepttl") && options.expire.is_none() {
                options.keep_deadline = true;
            } else if let Some(&(_, clock)) = clock
                && !options.keep_deadline
                && options.expire.is_none_or(|(before, _)| before == clock)
                && at + 1 < call.args.len()
            {
                at += 1;
                options.expire = Some((clock, at));
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        Ok(options)
    }
}

const fn clock(seconds: bool, absolute: bool) -> Clock {
    Clock { seconds, absolute }
}

const CLOCKS: [(&str, Clock); 4] = [
    ("ex", clock(true, false)),
    ("px", clock(false, false)),
    ("exat", clock(true, true)),
    ("pxat", clock(false, true)),
];

/// The argument at `index` as a deadline that can be stored with a value: not before 1970.
fn deadline(call: &mut Call<'_>, clock: Clock, index: usize) -> Result<i64, Failure> {
    let time = call.integer(index)?;
    let base = if clock.absolute { 0 } else { call.store.now() };
    let unit = if clock.seconds { 1000 } else { 1 };
    let deadline = Some(time).filter(|&time| time > 0);
    let deadline = deadline.and_then(|time| time.checked_mul(unit)?.checked_add(base));
    deadline.ok_or_else(|| Failure::expire_time(call.name))
}

pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    let (key, value) = (call.arg(1), call.arg(2));
    if call.args.len() == 3 {
        call.store.set(key, value, false);
        return call.ok();
    }
    let options = SetOptions::parse(call)?;
    let deadline = match options.expire {
        Some((clock, index)) => Some(deadline(call, clock, index)?),
        None => None,
    };
    let present = if options.get {
        let old = call.store.get_as::<Text>(key)?;
        reply::bulk_or_nil(call.out, old.as_deref().map(Vec::as_slice));
        old.is_some()
    } else {
        options.condition != Condition::Always && call.store.contains(key)
    };
    let refused = match options.condition {
        Condition::Always => false,
        Condition::IfMissing => present,
        Condition::IfPresent => !present,
    };
    if !refused {
        call.store.set(key, value, options.keep_deadline);
        if deadline.is_some() {
            call.store.set_deadline(key, deadline);
        }
    }
    match (options.get, refused) {
        (true, _) => Ok(()),
        (false, false) => call.ok(),
        (false, true) => {
            reply::nil(call.out);
            Ok(())
        }
    }
}

pub(super) fn setnx(call: &mut Call<'_>) -> Outcome {
    let absent = !call.store.contains(call.arg(1));
    if absent {
        call.store.set(call.arg(1), call.arg(2), false);
    }
    call.reply_integer(i64::from(absent))
}

pub(super) fn setex(call: &mut Call<'_>) -> Outcome {
    set_with(call, clock(true, false))
}

pub(super) fn psetex(call: &mut Call<'_>) -> Outcome {
    set_with(call, clock(false, false))
}

fn set_with(call: &mut Call<'_>, clock: Clock) -> Outcome {
    let deadline = deadline(call, clock, 2)?;
    call.store.set(call.arg(1), call.arg(3), false);
    call.store.set_deadline(call.arg(1), Some(deadline));
    call.ok()
}

pub(super) fn getset(call: &mut Call<'_>) -> Outcome {
    get(call)?;
    call.store.set(call.arg(1), call.arg(2), false);
    Ok(())
}

pub(super) fn getdel(call: &mut Call<'_>) -> Outcome {
    get(call)?;
    call.store.remove(call.arg(1));
    Ok(())
}

pub(super) fn mget(call: &mut Call<'_>) -> Outcome {
    reply::array(call.out, call.args.len() - 1);
    for key in call.args.from(1) {
        // What is not a text is answered as if it were not there.
        let text = call.store.get_as::<Text>(key).unwrap_or(None);
        reply::bulk_or_nil(call.out, text.map(|text| &**text));
    }
    Ok(())
}

fn expect_pairs(call: &Call<'_>) -> Outcome {
    if call.args.len().is_multiple_of(2) {
        return Err(Failure::arity(call.name));
    }
    Ok(())
}

pub(super) fn mset(call: &mut Call<'_>) -> Outcome {
    expect_pairs(call)?;
    for (key, value) in call.args.pairs(1) {
        call.store.set(key, value, false);
    }
    call.ok()
}

pub(super) fn msetnx(call: &mut Call<'_>) -> Outcome {
    expect_pairs(call)?;
    let absent = !call.args.pairs(1).any(|(key, _)| call.store.contains(key));
    if absent {
        for (key, value) in call.args.pairs(1) {
            call.store.set(key, value, false);
        }
    }
    call.reply_integer(i64::from(absent))
}

pub(super) fn append(call: &mut Call<'_>) -> Outcome {
    let value = call.arg(2);
    let text = call.store.get_or_new::<Text>(call.args.at(1))?;
    if text.len().saturating_add(value.len()) > 512 * 1024 * 1024 {
        return Err(Failure::new(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ));
    }
    text.extend_from_slice(value);
    let len = text.len();
    call.reply_count(len)
}

pub(super) fn strlen(call: &mut Call<'_>) -> Outcome {
    let len = call
        .store
        .get_as::<Text>(call.args.at(1))?
        .map_or(0, |text| text.len());
    call.reply_count(len)
}

pub(super) fn getrange(call: &mut Call<'_>) -> Outcome {
    let (first, last) = (call.integer(2)?, call.integer(3)?);
    let text = call.store.get_as::<Text>(call.args.at(1))?;
    let text = text.map_or(&[][..], |text| text);
    // Two places behind the end in the wrong order are nothing, also if both are cut to the same.
    let crossed = first < 0 && last < 0 && first > last;
    let last = last.max(-reply::as_integer(text.len()));
    let range = if crossed {
        0..0
    } else {
        range(first, last, text.len())
    };
    reply::bulk(call.out, &text[range]);
    Ok(())
}

pub(super) fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_>) -> Outcome {
    let by = call.integer(2)?;
    add(call, by)
}

pub(super) fn decrby(call: &mut Call<'_>) -> Outcome {
    let by = call.integer(2)?.checked_neg();
    add(
        call,
        by.ok_or(Failure::new("ERR decrement would overflow"))?,
    )
}

fn add(call: &mut Call<'_>, by: i64) -> Outcome {
    let key = call.arg(1);
    let Some(text) = call.store.get_as::<Text>(key)? else {
        let mut text = Text::new();
        number::write(&mut text, by);
        call.store.set(key, &text, false);
        return call.reply_integer(by);
    };
    let present = number::parse(text).ok_or(Failure::NOT_AN_INTEGER)?;
    let sum = present.checked_add(by).ok_or(Failure::OVERFLOW)?;
    text.clear();
    number::write(text, sum);
    call.reply_integer(sum)
}
