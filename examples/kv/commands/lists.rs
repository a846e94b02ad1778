//! Commands on lists.

use super::{Call, Outcome, range};
use crate::kv::reply::{self, Failure};
use crate::kv::store::{Bytes, List};

/// An end of a list.
#[derive(Clone, Copy)]
enum End {
    Front,
    Back,
}

impl End {
    fn push(self, list: &mut List, element: Bytes) {
        match self {
            Self::Front => list.push_front(element),
            Self::Back => list.push_back(element),
        }
    }

    fn pop(self, list: &mut List) -> Option<Bytes> {
        match self {
            Self::Front => list.pop_front(),
            Self::Back => list.pop_back(),
        }
    }
}

pub(super) fn lpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Front)
}

pub(super) fn rpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Back)
}

fn push(call: &mut Call<'_>, end: End) -> Outcome {
    let list = call.store.get_or_new::<List>(call.args.at(1))?;
    for element in call.args.from(2) {
        end.push(list, element.into());
    }
    let len = list.len();
    call.reply_count(len)
}

pub(super) fn lpushx(call: &mut Call<'_>) -> Outcome {
    push_if_present(call, End::Front)
}

pub(super) fn rpushx(call: &mut Call<'_>) -> Outcome {
    push_if_present(call, End::Back)
}

fn push_if_present(call: &mut Call<'_>, end: End) -> Outcome {
    if call.store.get_as::<List>(call.args.at(1))?.is_none() {
        return call.reply_integer(0);
    }
    push(call, end)
}

pub(super) fn lpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Front)
}

pub(super) fn rpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Back)
}

fn pop(call: &mut Call<'_>, end: End) -> Outcome {
    let key = call.arg(1);
    let count = match call.args.len() {
        2 => None,
        3 => Some(call.positive(2)?),
        _ => return Err(Failure::arity(call.name)),
    };
    let Some(list) = call.store.get_as::<List>(key)? else {
        match count {
            Some(_) => reply::nil_array(call.out),
            None => reply::nil(call.out),
        }
        return Ok(());
    };
    if let Some(count) = count {
        let count = count.min(list.len());
        reply::array(call.out, count);
    }
    for _ in 0..count.unwrap_or(1) {
        match end.pop(list) {
            Some(element) => reply::bulk(call.out, &element),
            None => break,
        }
    }
    if list.is_empty() {
        call.store.remove(key);
    }
    Ok(())
}

pub(super) fn llen(call: &mut Call<'_>) -> Outcome {
    let len = call
        .store
        .get_as::<List>(call.args.at(1))?
        .map_or(0, |list| list.len());
    call.reply_count(len)
}

pub(super) fn lindex(call: &mut Call<'_>) -> Outcome {
    let list = call.store.get_as::<List>(call.args.at(1))?;
    let Some(list) = list else {
        reply::nil(call.out);
        return Ok(());
    };
    let position = crate::kv::number::parse(call.args.at(2)).ok_or(Failure::NOT_AN_INTEGER)?;
    let from_end = if position < 0 {
        reply::as_integer(list.len())
    } else {
        0
    };
    let index = usize::try_from(position.saturating_add(from_end)).ok();
    let element = index.and_then(|index| list.get(index));
    reply::bulk_or_nil(call.out, element.map(|element| &**element));
    Ok(())
}

pub(super) fn lrange(call: &mut Call<'_>) -> Outcome {
    let (first, last) = (call.integer(2)?, call.integer(3)?);
    match call.store.get_as::<List>(call.args.at(1))? {
        Some(list) => {
            let elements = list.range(range(first, last, list.len()));
            reply::bulks(call.out, elements.map(|element| &**element));
        }
        None => reply::array(call.out, 0),
    }
    Ok(())
}

pub(super) fn ltrim(call: &mut Call<'_>) -> Outcome {
    let (first, last) = (call.integer(2)?, call.integer(3)?);
    let key = call.arg(1);
    if let Some(list) = call.store.get_as::<List>(key)? {
        let kept = range(first, last, list.len());
        list.truncate(kept.end);
        list.drain(..kept.start);
        call.store.remove_if_empty::<List>(key);
    }
    call.ok()
}
