//! Commands on keys and on the server.

use super::Fixture;
use crate::kv::store::tests::pass;

#[test]
fn keys_expire_when_told_so() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("expire k 1", ":0"),
        ("ttl k", ":-2"),
        ("set k v", "+OK"),
        ("persist k", ":0"),
        ("expire k 10 xx", ":0"),
        ("expire k 10 gt", ":0"),
        ("expire k 10 nx", ":1"),
        ("expire k 20 nx", ":0"),
        ("expire k 5 gt", ":0"),
        ("expire k 20 gt", ":1"),
        ("expire k 5 lt", ":1"),
        ("ttl k", ":5"),
        (
            "expire k 5 nx lt",
            "-ERR NX and XX, GT or LT options at the same time are not compatible",
        ),
        (
            "expire k 5 gt lt",
            "-ERR GT and LT options at the same time are not compatible",
        ),
        ("expire k 5 foo", "-ERR Unsupported option foo"),
        ("expire k x", "-ERR value is not an integer or out of range"),
        (
            "expire k 9223372036854775807",
            "-ERR invalid expire time in 'expire' command",
        ),
        ("persist k", ":1"),
        ("pexpire k 1500", ":1"),
        ("pttl k", ":1500"),
    ]);
    pass(&mut fixture.store, 1501);
    fixture.script(&[
        ("get k", "$-1"),
        ("dbsize", ":0"),
        ("set k v", "+OK"),
        ("expire k -1", ":1"),
        ("exists k", ":0"),
        ("set k v ex 1", "+OK"),
        ("incr n", ":1"),
        ("expireat n 99999999999", ":1"),
        ("expiretime n", ":99999999999"),
        ("incr n", ":2"),
        ("ttl n", ":99999998997"),
    ]);
}

#[test]
fn keys_are_counted_listed_and_removed() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("mset a 1 ab 2", "+OK"),
        ("keys b*", "*0"),
        ("keys ?b", "*1 $2 ab"),
        ("scan 0", "*2 $1 0 *2 $2 ab $1 a"),
        ("scan 0 count 1", "*2 $1 1 *1 $2 ab"),
        ("scan 1 count 1", "*2 $1 0 *1 $1 a"),
        ("scan 0 match a* type list", "*2 $1 0 *0"),
        ("scan 0 match ?b type string", "*2 $1 0 *1 $2 ab"),
        ("scan x", "-ERR invalid cursor"),
        ("scan 0 match", "-ERR syntax error"),
        ("scan 0 count 0", "-ERR syntax error"),
        (
            "scan 0 count x",
            "-ERR value is not an integer or out of range",
        ),
        ("exists a a nope", ":2"),
        ("type a", "+string"),
        ("del a nope a", ":1"),
        ("randomkey", "$2 ab"),
        ("dbsize", ":1"),
        ("flushall x", "-ERR syntax error"),
        ("flushall async", "+OK"),
        ("randomkey", "$-1"),
        ("dbsize", ":0"),
    ]);
}

#[test]
fn server_answers_what_clients_ask_first() {
    let mut fixture = Fixture::new();
    fixture.script(&[
        ("ping", "+PONG"),
        ("ping hi", "$2 hi"),
        (
            "ping a b",
            "-ERR wrong number of arguments for 'ping' command",
        ),
        ("echo x", "$1 x"),
        ("select 0", "+OK"),
        ("select 1", "-ERR DB index is out of range"),
        ("select x", "-ERR value is not an integer or out of range"),
        ("hello 3", "-NOPROTO unsupported protocol version"),
        ("client getname", "$-1"),
        ("client setname me", "+OK"),
        ("client getname", "$2 me"),
        ("client setinfo lib-name x", "+OK"),
        ("client id", ":7"),
        (
            "client foo",
            "-ERR unknown subcommand 'foo'. Try CLIENT HELP.",
        ),
        (
            "config get save appendonly",
            "*4 $10 appendonly $2 no $4 save $0",
        ),
        (
            "config get",
            "-ERR wrong number of arguments for 'config|get' command",
        ),
        ("command docs nope", "*0"),
        (
            "command info get nope",
            "*2 *6 $3 get :2 *1 +readonly :1 :1 :1 $-1",
        ),
        (
            "foo a 'b c'",
            "-ERR unknown command 'foo', with args beginning with: 'a' 'b c'",
        ),
        ("get", "-ERR wrong number of arguments for 'get' command"),
        (
            "GET a b",
            "-ERR wrong number of arguments for 'get' command",
        ),
    ]);
    let docs = fixture.say("command docs get");
    assert!(docs.starts_with("*2 $3 get *4 $7 summary "), "{docs}");
    assert!(fixture.say("hello 2").starts_with("*14 $6 server $5 redis"));
    assert!(fixture.say("info").contains("# Keyspace"));
    assert_eq!(fixture.say("info nothing"), "$0");
    assert_eq!(fixture.say("quit"), "+OK");
    assert!(fixture.client.ends);
}
