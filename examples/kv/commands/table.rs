//! The table of commands, and the way from a name to its entry.

use super::{Call, Command, Outcome, hashes, keys, lists, server, sets, strings};

const NO_KEYS: (i64, i64, i64) = (0, 0, 0);
const ONE_KEY: (i64, i64, i64) = (1, 1, 1);
const ALL_KEYS: (i64, i64, i64) = (1, -1, 1);
const EVERY_OTHER: (i64, i64, i64) = (1, -1, 2);

type Run = fn(&mut Call<'_>) -> Outcome;

const fn read(name: &'static str, arity: i64, keys: (i64, i64, i64), run: Run) -> Command {
    Command {
        name,
        arity,
        writes: false,
        keys,
        run,
    }
}

const fn write(name: &'static str, arity: i64, keys: (i64, i64, i64), run: Run) -> Command {
    Command {
        name,
        arity,
        writes: true,
        keys,
        run,
    }
}

/// All commands.
pub(super) static COMMANDS: [Command; 80] = [
    read("get", 2, ONE_KEY, strings::get),
    write("set", -3, ONE_KEY, strings::set),
    write("setnx", 3, ONE_KEY, strings::setnx),
    write("setex", 4, ONE_KEY, strings::setex),
    write("psetex", 4, ONE_KEY, strings::psetex),
    write("getset", 3, ONE_KEY, strings::getset),
    write("getdel", 2, ONE_KEY, strings::getdel),
    read("mget", -2, ALL_KEYS, strings::mget),
    write("mset", -3, EVERY_OTHER, strings::mset),
    write("msetnx", -3, EVERY_OTHER, strings::msetnx),
    write("append", 3, ONE_KEY, strings::append),
    read("strlen", 2, ONE_KEY, strings::strlen),
    read("getrange", 4, ONE_KEY, strings::getrange),
    write("incr", 2, ONE_KEY, strings::incr),
    write("decr", 2, ONE_KEY, strings::decr),
    write("incrby", 3, ONE_KEY, strings::incrby),
    write("decrby", 3, ONE_KEY, strings::decrby),
    write("del", -2, ALL_KEYS, keys::del),
    write("unlink", -2, ALL_KEYS, keys::del),
    read("exists", -2, ALL_KEYS, keys::exists),
    read("touch", -2, ALL_KEYS, keys::exists),
    read("type", 2, ONE_KEY, keys::kind),
    read("keys", 2, NO_KEYS, keys::keys),
    read("scan", -2, NO_KEYS, keys::scan),
    read("randomkey", 1, NO_KEYS, keys::randomkey),
    write("expire", -3, ONE_KEY, keys::expire),
    write("pexpire", -3, ONE_KEY, keys::pexpire),
    write("expireat", -3, ONE_KEY, keys::expireat),
    write("pexpireat", -3, ONE_KEY, keys::pexpireat),
    read("ttl", 2, ONE_KEY, keys::ttl),
    read("pttl", 2, ONE_KEY, keys::pttl),
    read("expiretime", 2, ONE_KEY, keys::expiretime),
    read("pexpiretime", 2, ONE_KEY, keys::pexpiretime),
    write("persist", 2, ONE_KEY, keys::persist),
    read("dbsize", 1, NO_KEYS, keys::dbsize),
    write("flushall", -1, NO_KEYS, keys::flush),
    write("flushdb", -1, NO_KEYS, keys::flush),
    write("lpush", -3, ONE_KEY, lists::lpush),
    write("rpush", -3, ONE_KEY, lists::rpush),
    write("lpushx", -3, ONE_KEY, lists::lpushx),
    write("rpushx", -3, ONE_KEY, lists::rpushx),
    write("lpop", -2, ONE_KEY, lists::lpop),
    write("rpop", -2, ONE_KEY, lists::rpop),
    read("llen", 2, ONE_KEY, lists::llen),
    read("lindex", 3, ONE_KEY, lists::lindex),
    read("lrange", 4, ONE_KEY, lists::lrange),
    write("ltrim", 4, ONE_KEY, lists::ltrim),
    write("sadd", -3, ONE_KEY, sets::sadd),
    write("srem", -3, ONE_KEY, sets::srem),
    read("smembers", 2, ONE_KEY, sets::smembers),
    read("sismember", 3, ONE_KEY, sets::sismember),
    read("smismember", -3, ONE_KEY, sets::smismember),
    read("scard", 2, ONE_KEY, sets::scard),
    write("spop", -2, ONE_KEY, sets::spop),
    write("hset", -4, ONE_KEY, hashes::hset),
    write("hmset", -4, ONE_KEY, hashes::hset),
    write("hsetnx", 4, ONE_KEY, hashes::hsetnx),
    read("hget", 3, ONE_KEY, hashes::hget),
    read("hmget", -3, ONE_KEY, hashes::hmget),
    write("hdel", -3, ONE_KEY, hashes::hdel),
    read("hgetall", 2, ONE_KEY, hashes::hgetall),
    read("hkeys", 2, ONE_KEY, hashes::hkeys),
    read("hvals", 2, ONE_KEY, hashes::hvals),
    read("hlen", 2, ONE_KEY, hashes::hlen),
    read("hexists", 3, ONE_KEY, hashes::hexists),
    read("hstrlen", 3, ONE_KEY, hashes::hstrlen),
    write("hincrby", 4, ONE_KEY, hashes::hincrby),
    read("ping", -1, NO_KEYS, server::ping),
    read("echo", 2, NO_KEYS, server::echo),
    read("select", 2, NO_KEYS, server::select),
    read("quit", -1, NO_KEYS, server::quit),
    read("hello", -1, NO_KEYS, server::hello),
    read("client", -2, NO_KEYS, server::client),
    read("config", -2, NO_KEYS, server::config),
    read("command", -1, NO_KEYS, server::command),
    read("info", -1, NO_KEYS, server::info),
    read("time", 1, NO_KEYS, server::time),
    // Not for clients of this server: who sends one is a browser that was told to.
    read("post", -1, NO_KEYS, server::close),
    read("host:", -1, NO_KEYS, server::close),
    read("auth", -2, NO_KEYS, server::auth),
];

/// The command that is called `name`, in capitals or not.
#[inline]
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    let word = word(name)?;
    let mut place = place(word);
    loop {
        let index = usize::from(INDEX[place]).checked_sub(1)?;
        if WORDS[index] == word {
            return Some(&COMMANDS[index]);
        }
        place = (place + 1) % INDEX.len();
    }
}

/// A name as one number, in small letters; `None` if no command has such a long one.
#[inline]
const fn word(name: &[u8]) -> Option<u128> {
    if name.len() > 15 {
        return None;
    }
    // The leading one keeps names apart that begin with zeros.
    let mut word = 1;
    let mut at = 0;
    while at < name.len() {
        word = word << 8 | name[at].to_ascii_lowercase() as u128;
        at += 1;
    }
    Some(word)
}

/// Where in `INDEX` the search for a word begins.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "halves and the top byte are meant"
)]
const fn place(word: u128) -> usize {
    let mixed = (word as u64) ^ ((word >> 64) as u64);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

/// The names as numbers.
static WORDS: [u128; COMMANDS.len()] = {
    let mut words = [0; COMMANDS.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = match word(COMMANDS[at].name.as_bytes()) {
            Some(word) => word,
            None => panic!("the name of a command is too long"),
        };
        at += 1;
    }
    words
};

/// A hash table of indices into `COMMANDS`, plus one; 0 is a free place.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked against the length of the table"
)]
static INDEX: [u8; 256] = {
    assert!(COMMANDS.len() < 255);
    let mut index = [0; 256];
    let mut at = 0;
    while at < COMMANDS.len() {
        let mut free = place(WORDS[at]);
        while index[free] != 0 {
            free = (free + 1) % index.len();
        }
        index[free] = at as u8 + 1;
        at += 1;
    }
    index
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_finds_each_command_by_its_own_name_only() {
        for (index, command) in COMMANDS.iter().enumerate() {
            for name in [command.name.to_owned(), command.name.to_ascii_uppercase()] {
                let found = find(name.as_bytes()).expect("it is in the table");
                assert!(std::ptr::eq(found, &raw const COMMANDS[index]), "{name}");
            }
        }
        for name in [
            "",
            "ge",
            "gett",
            "\0get",
            "a very long name of a command",
            "nope",
        ] {
            assert!(find(name.as_bytes()).is_none(), "{name}");
        }
    }
}
