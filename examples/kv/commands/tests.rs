//! Commands as a client types them, with the replies that Redis gives.

use super::execute;
use crate::kv::client::Client;
use crate::kv::resp::{Parser, Step};
use crate::kv::store::Store;
use crate::kv::store::tests::store;

mod keys;

/// A store and a client that types lines.
struct Fixture {
    store: Store,
    client: Client,
}

impl Fixture {
    fn new() -> Self {
        Self {
            store: store(),
            client: Client::new(7),
        }
    }

    /// The reply to one line, with blanks for line ends.
    fn say(&mut self, line: &str) -> String {
        let line = format!("{line}\n").into_bytes();
        let mut parser = Parser::default();
        assert!(matches!(parser.advance(&line), Ok(Step::Command(_))));
        let mut out = Vec::new();
        execute(
            parser.args(&line),
            &mut self.store,
            &mut self.client,
            &mut out,
        );
        String::from_utf8(out)
            .unwrap()
            .replace("\r\n", " ")
            .trim_end()
            .to_owned()
    }

    /// Says each line and compares the replies.
    #[track_caller]
    fn script(&mut self, lines: &[(&str, &str)]) {
        for (line, reply) in lines {
            assert_eq!(self.say(line), *reply, "{line}");
        }
    }
}

#[test]
fn strings_set_with_all_options() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("set k v", "+OK"),
        ("get k", "$1 v"),
        ("set k w nx", "$-1"),
        ("set k w xx", "+OK"),
        ("set no w xx", "$-1"),
        ("set k x get", "$1 w"),
        ("set k y nx get", "$1 x"),
        ("set new y nx get", "$-1"),
        ("get new", "$1 y"),
        ("set k y ex 10", "+OK"),
        ("ttl k", ":10"),
        ("set k z keepttl", "+OK"),
        ("pttl k", ":10000"),
        ("set k z", "+OK"),
        ("ttl k", ":-1"),
        ("set k z px 1500", "+OK"),
        ("ttl k", ":2"),
        ("set k z ex 0", "-ERR invalid expire time in 'set' command"),
        (
            "set k z ex x",
            "-ERR value is not an integer or out of range",
        ),
        ("set k z ex", "-ERR syntax error"),
        ("set k z ex 1 px 1", "-ERR syntax error"),
        ("set k z nx xx", "-ERR syntax error"),
        ("set k z keepttl ex 1", "-ERR syntax error"),
        (
            "set k z ex 9223372036854775807",
            "-ERR invalid expire time in 'set' command",
        ),
        (
            "set k z px 9223372036854775807",
            "-ERR invalid expire time in 'set' command",
        ),
        ("set k z pxat 1", "+OK"),
        ("exists k", ":0"),
    ]);
}

#[test]
fn strings_counters_stay_in_range() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("incr n", ":1"),
        ("incrby n 41", ":42"),
        ("decrby n 50", ":-8"),
        ("decr n", ":-9"),
        ("set n 9223372036854775807", "+OK"),
        ("incr n", "-ERR increment or decrement would overflow"),
        (
            "decrby n -9223372036854775808",
            "-ERR decrement would overflow",
        ),
        ("get n", "$19 9223372036854775807"),
        ("set n abc", "+OK"),
        ("incr n", "-ERR value is not an integer or out of range"),
        ("incrby n x", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn strings_many_at_once_and_parts() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("mset a 1 b 2", "+OK"),
        ("rpush l x", ":1"),
        ("mget a l nope b", "*4 $1 1 $-1 $-1 $1 2"),
        (
            "mset a",
            "-ERR wrong number of arguments for 'mset' command",
        ),
        (
            "mset a 1 b",
            "-ERR wrong number of arguments for 'mset' command",
        ),
        ("msetnx c 1 a 2", ":0"),
        ("msetnx c 1 d 2", ":1"),
        ("append a 23", ":3"),
        ("append e x", ":1"),
        ("strlen a", ":3"),
        ("strlen nope", ":0"),
        ("getrange a 0 -1", "$3 123"),
        ("getrange a -2 100", "$2 23"),
        ("getrange a 2 1", "$0"),
        ("getrange a 0 -100", "$1 1"),
        ("getset a x", "$3 123"),
        ("getdel a", "$1 x"),
        ("getdel a", "$-1"),
        ("setnx a 1", ":1"),
        ("setnx a 2", ":0"),
        ("setex a 5 v", "+OK"),
        ("setex a 0 v", "-ERR invalid expire time in 'setex' command"),
        ("ttl a", ":5"),
    ]);
}

#[test]
fn lists_at_both_ends() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("rpush l a b c", ":3"),
        ("lpush l z y", ":5"),
        ("lrange l 0 -1", "*5 $1 y $1 z $1 a $1 b $1 c"),
        ("lrange l -2 100", "*2 $1 b $1 c"),
        ("lrange l 3 1", "*0"),
        ("lrange l 9 10", "*0"),
        (
            "lrange l x 1",
            "-ERR value is not an integer or out of range",
        ),
        ("lindex l -1", "$1 c"),
        ("lindex l 9", "$-1"),
        ("lpop l", "$1 y"),
        ("rpop l 2", "*2 $1 c $1 b"),
        ("lpop l 0", "*0"),
        ("lpop l -1", "-ERR value is out of range, must be positive"),
        ("lpop l x", "-ERR value is out of range, must be positive"),
        ("lpop l 9", "*2 $1 z $1 a"),
        ("exists l", ":0"),
        ("lpop l", "$-1"),
        ("lpop l 1", "*-1"),
        (
            "lpop l 1 2",
            "-ERR wrong number of arguments for 'lpop' command",
        ),
        ("lpushx l a", ":0"),
        ("llen l", ":0"),
        ("rpush l a b c d", ":4"),
        ("ltrim l 1 -2", "+OK"),
        ("lrange l 0 -1", "*2 $1 b $1 c"),
        ("ltrim l 5 9", "+OK"),
        ("type l", "+none"),
    ]);
}

#[test]
fn sets_members_come_and_go() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("sadd s a b a", ":2"),
        ("sadd s b c", ":1"),
        ("scard s", ":3"),
        ("sismember s a", ":1"),
        ("sismember s x", ":0"),
        ("smismember s a x", "*2 :1 :0"),
        ("srem s a x", ":1"),
        ("spop s 0", "*0"),
        ("spop s 1 2", "-ERR syntax error"),
        ("spop nope", "$-1"),
        ("spop nope 3", "*0"),
    ]);
    let mut popped = [fixture.say("spop s"), fixture.say("spop s")];
    popped.sort();
    assert_eq!(popped, ["$1 b", "$1 c"]);
    fixture.script(&[("exists s", ":0"), ("smembers s", "*0"), ("sadd s q", ":1")]);
    fixture.script(&[
        ("smembers s", "*1 $1 q"),
        ("spop s 5", "*1 $1 q"),
        ("dbsize", ":0"),
    ]);
}

#[test]
fn hashes_fields_come_and_go() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("hset h a 1 b 2", ":2"),
        ("hset h a 3 c 4", ":1"),
        (
            "hset h a",
            "-ERR wrong number of arguments for 'hset' command",
        ),
        (
            "hset h a 1 b",
            "-ERR wrong number of arguments for 'hset' command",
        ),
        ("hmset h d 5", "+OK"),
        ("hget h a", "$1 3"),
        ("hget h x", "$-1"),
        ("hmget h a x", "*2 $1 3 $-1"),
        ("hlen h", ":4"),
        ("hdel h b x d", ":2"),
        ("hgetall h", "*4 $1 a $1 3 $1 c $1 4"),
        ("hkeys h", "*2 $1 a $1 c"),
        ("hvals h", "*2 $1 3 $1 4"),
        ("hexists h a", ":1"),
        ("hstrlen h a", ":1"),
        ("hsetnx h a 9", ":0"),
        ("hincrby h a 4", ":7"),
        ("hincrby h n 4", ":4"),
        ("hset h t x", ":1"),
        ("hincrby h t 1", "-ERR hash value is not an integer"),
        ("hdel h a c n t", ":4"),
        ("hgetall h", "*0"),
        ("exists h", ":0"),
    ]);
}

#[test]
fn wrong_type_is_refused_by_every_type() {
    let mut fixture = Fixture::new();
    fixture.script(&[("set t v", "+OK"), ("rpush l v", ":1"), ("sadd s v", ":1")]);
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for line in [
        "get l",
        "incr l",
        "append s x",
        "set l x get",
        "getset l x",
        "strlen s",
    ] {
        assert_eq!(fixture.say(line), wrong, "{line}");
    }
    for line in [
        "lpush t x",
        "lpop s",
        "llen t",
        "lrange t 0 1",
        "lpushx t x",
        "lpop t 0",
    ] {
        assert_eq!(fixture.say(line), wrong, "{line}");
    }
    for line in [
        "sadd t x",
        "srem l x",
        "scard t",
        "smembers t",
        "sismember t x",
        "spop t",
    ] {
        assert_eq!(fixture.say(line), wrong, "{line}");
    }
    for line in [
        "hset t a b",
        "hget t a",
        "hdel t a",
        "hgetall t",
        "hlen l",
        "hincrby t a 1",
    ] {
        assert_eq!(fixture.say(line), wrong, "{line}");
    }
    fixture.script(&[("get t", "$1 v"), ("set l x", "+OK"), ("dbsize", ":3")]);
}
