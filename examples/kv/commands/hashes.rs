//! Commands on hashes.

use super::{Call, Outcome};
use crate::kv::number;
use crate::kv::reply::{self, Failure};
use crate::kv::store::{Hash, Text, fits};

/// Sets a field, in the memory of its present value if that fits. Answers whether it is new.
fn put(hash: &mut Hash, field: &[u8], value: &[u8]) -> bool {
    match hash.get_mut(field) {
        Some(present) if fits(present.capacity(), value.len()) => {
            present.clear();
            present.extend_from_slice(value);
            false
        }
        Some(present) => {
            *present = value.to_vec();
            false
        }
        None => {
            hash.insert(field.into(), value.to_vec());
            true
        }
    }
}

pub(super) fn hset(call: &mut Call<'_>) -> Outcome {
    if !call.args.len().is_multiple_of(2) {
        return Err(Failure::arity(call.name));
    }
    let hash = call.store.get_or_new::<Hash>(call.args.at(1))?;
    let pairs = call.args.pairs(2);
    let added = pairs
        .filter(|(field, value)| put(hash, field, value))
        .count();
    if call.name == "hmset" {
        return call.ok();
    }
    call.reply_count(added)
}

pub(super) fn hsetnx(call: &mut Call<'_>) -> Outcome {
    let hash = call.store.get_or_new::<Hash>(call.args.at(1))?;
    let absent = !hash.contains_key(call.args.at(2));
    if absent {
        put(hash, call.args.at(2), call.args.at(3));
    }
    call.reply_integer(i64::from(absent))
}

/// The value of the field at argument 2.
fn field<'s>(call: &'s mut Call<'_>) -> Result<Option<&'s mut Text>, Failure> {
    let field = call.arg(2);
    let hash = call.store.get_as::<Hash>(call.args.at(1))?;
    Ok(hash.and_then(|hash| hash.get_mut(field)))
}

pub(super) fn hget(call: &mut Call<'_>) -> Outcome {
    let hash = call.store.get_as::<Hash>(call.args.at(1))?;
    let value = hash.as_ref().and_then(|hash| hash.get(call.args.at(2)));
    reply::bulk_or_nil(call.out, value.map(Vec::as_slice));
    Ok(())
}

pub(super) fn hmget(call: &mut Call<'_>) -> Outcome {
    let hash = call.store.get_as::<Hash>(call.args.at(1))?;
    reply::array(call.out, call.args.len() - 2);
    for field in call.args.from(2) {
        let value = hash.as_ref().and_then(|hash| hash.get(field));
        reply::bulk_or_nil(call.out, value.map(Vec::as_slice));
    }
    Ok(())
}

pub(super) fn hdel(call: &mut Call<'_>) -> Outcome {
    let key = call.arg(1);
    let Some(hash) = call.store.get_as::<Hash>(key)? else {
        return call.reply_integer(0);
    };
    // The order of the others is kept while that is cheap.
    let small = hash.len() <= 128;
    let remove = |field: &&[u8]| match small {
        true => hash.shift_remove(*field).is_some(),
        false => hash.swap_remove(*field).is_some(),
    };
    let removed = call.args.from(2).filter(remove).count();
    if hash.is_empty() {
        call.store.remove(key);
    }
    call.reply_count(removed)
}

pub(super) fn hgetall(call: &mut Call<'_>) -> Outcome {
    let hash = call.store.get_as::<Hash>(call.args.at(1))?;
    reply::array(call.out, hash.as_ref().map_or(0, |hash| 2 * hash.len()));
    for (field, value) in hash.into_iter().flatten() {
        reply::bulk(call.out, field);
        reply::bulk(call.out, value);
    }
    Ok(())
}

pub(super) fn hkeys(call: &mut Call<'_>) -> Outcome {
    let hash = call.store.get_as::<Hash>(call.args.at(1))?;
    reply::array(call.out, hash.as_ref().map_or(0, |hash| hash.len()));
    for (field, _) in hash.into_iter().flatten() {
        reply::bulk(call.out, field);
    }
    Ok(())
}

pub(super) fn hvals(call: &mut Call<'_>) -> Outcome {
    let hash = call.store.get_as::<Hash>(call.args.at(1))?;
    reply::array(call.out, hash.as_ref().map_or(0, |hash| hash.len()));
    for (_, value) in hash.into_iter().flatten() {
        reply::bulk(call.out, value);
    }
    Ok(())
}

pub(super) fn hlen(call: &mut Call<'_>) -> Outcome {
    let len = call
        .store
        .get_as::<Hash>(call.args.at(1))?
        .map_or(0, |hash| hash.len());
    call.reply_count(len)
}

pub(super) fn hexists(call: &mut Call<'_>) -> Outcome {
    let found = field(call)?.is_some();
    call.reply_integer(i64::from(found))
}

pub(super) fn hstrlen(call: &mut Call<'_>) -> Outcome {
    let len = field(call)?.map_or(0, |value| value.len());
    call.reply_count(len)
}

pub(super) fn hincrby(call: &mut Call<'_>) -> Outcome {
    let by = call.integer(3)?;
    let sum = match field(call)? {
        Some(value) => {
            const NO_NUMBER: Failure = Failure::new("ERR hash value is not an integer");
            let present = number::parse(value).ok_or(NO_NUMBER)?;
            let sum = present.checked_add(by).ok_or(Failure::OVERFLOW)?;
            value.clear();
            number::write(value, sum);
            sum
        }
        None => {
            let mut value = Text::new();
            number::write(&mut value, by);
            let hash = call.store.get_or_new::<Hash>(call.args.at(1))?;
            hash.insert(call.args.at(2).into(), value);
            by
        }
    };
    call.reply_integer(sum)
}
