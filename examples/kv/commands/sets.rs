//! Commands on sets.

use super::{Call, Outcome};
use crate::kv::reply::{self, Failure};
use crate::kv::store::Set;

pub(super) fn sadd(call: &mut Call<'_>) -> Outcome {
    let set = call.store.get_or_new::<Set>(call.args.at(1))?;
    let mut added = 0;
    for member in call.args.from(2) {
        // One that is there already is found without a copy.
        if !set.contains(member) {
            set.insert(member.into());
            added += 1;
        }
    }
    call.reply_count(added)
}

pub(super) fn srem(call: &mut Call<'_>) -> Outcome {
    let key = call.arg(1);
    let Some(set) = call.store.get_as::<Set>(key)? else {
        return call.reply_integer(0);
    };
    let members = call.args.from(2);
    let removed = members.filter(|&member| set.swap_remove(member)).count();
    if set.is_empty() {
        call.store.remove(key);
    }
    call.reply_count(removed)
}

pub(super) fn smembers(call: &mut Call<'_>) -> Outcome {
    match call.store.get_as::<Set>(call.args.at(1))? {
        Some(set) => reply::bulks(call.out, set.iter().map(|member| &**member)),
        None => reply::array(call.out, 0),
    }
    Ok(())
}

pub(super) fn sismember(call: &mut Call<'_>) -> Outcome {
    let set = call.store.get_as::<Set>(call.args.at(1))?;
    let found = set.is_some_and(|set| set.contains(call.args.at(2)));
    call.reply_integer(i64::from(found))
}

pub(super) fn smismember(call: &mut Call<'_>) -> Outcome {
    let set = call.store.get_as::<Set>(call.args.at(1))?;
    reply::array(call.out, call.args.len() - 2);
    for member in call.args.from(2) {
        let found = set.as_ref().is_some_and(|set| set.contains(member));
        reply::integer(call.out, i64::from(found));
    }
    Ok(())
}

pub(super) fn scard(call: &mut Call<'_>) -> Outcome {
    let len = call
        .store
        .get_as::<Set>(call.args.at(1))?
        .map_or(0, |set| set.len());
    call.reply_count(len)
}

pub(super) fn spop(call: &mut Call<'_>) -> Outcome {
    let key = call.arg(1);
    let count = match call.args.len() {
        2 => None,
        3 => Some(call.positive(2)?),
        _ => return Err(Failure::SYNTAX),
    };
    let Some(set) = call.store.get_as::<Set>(key)? else {
        match count {
            Some(_) => reply::array(call.out, 0),
            None => reply::nil(call.out),
        }
        return Ok(());
    };
    if let Some(count) = count {
        reply::array(call.out, count.min(set.len()));
    }
    for _ in 0..count.unwrap_or(1).min(set.len()) {
        let len = u64::try_from(set.len()).expect("fewer than 2^64 members");
        let index = usize::try_from(call.client.random() % len).expect("below a length");
        let member = set.swap_remove_index(index).expect("below the length");
        reply::bulk(call.out, &member);
    }
    if set.is_empty() {
        call.store.remove(key);
    }
    Ok(())
}
