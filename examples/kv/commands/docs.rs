//! What `COMMAND DOCS` says, which `redis-cli` shows as its help.

use super::reply;

/// Name, group and summary of each command that is meant for clients.
const DOCS: [(&str, &str, &str); 78] = [
    ("get", "string", "The value of a key"),
    (
        "set",
        "string",
        "Sets a key: NX XX GET EX PX EXAT PXAT KEEPTTL",
    ),
    ("setnx", "string", "Sets a key that does not exist"),
    ("setex", "string", "Sets a key that lives for seconds"),
    ("psetex", "string", "Sets a key that lives for milliseconds"),
    ("getset", "string", "Sets a key and answers its old value"),
    ("getdel", "string", "Removes a key and answers its value"),
    ("mget", "string", "The values of several keys"),
    ("mset", "string", "Sets several keys at once"),
    (
        "msetnx",
        "string",
        "Sets several keys if none of them exists",
    ),
    ("append", "string", "Appends to a value"),
    ("strlen", "string", "The length of a value"),
    ("getrange", "string", "A part of a value"),
    ("incr", "string", "Adds one to a number"),
    ("decr", "string", "Takes one from a number"),
    ("incrby", "string", "Adds to a number"),
    ("decrby", "string", "Takes from a number"),
    ("del", "generic", "Removes keys"),
    ("unlink", "generic", "Removes keys"),
    ("exists", "generic", "How many of the keys exist"),
    ("touch", "generic", "How many of the keys exist"),
    ("type", "generic", "The type of a value"),
    ("keys", "generic", "All keys that fit a pattern"),
    ("scan", "generic", "Some of the keys, and where to go on"),
    ("randomkey", "generic", "Some key"),
    (
        "expire",
        "generic",
        "Lets a key live for seconds: NX XX GT LT",
    ),
    (
        "pexpire",
        "generic",
        "Lets a key live for milliseconds: NX XX GT LT",
    ),
    (
        "expireat",
        "generic",
        "Lets a key live until a time in seconds",
    ),
    (
        "pexpireat",
        "generic",
        "Lets a key live until a time in milliseconds",
    ),
    ("ttl", "generic", "How many seconds a key has left"),
    ("pttl", "generic", "How many milliseconds a key has left"),
    ("expiretime", "generic", "When a key ends, in seconds"),
    ("pexpiretime", "generic", "When a key ends, in milliseconds"),
    ("persist", "generic", "Lets a key live for ever"),
    ("dbsize", "server", "How many keys there are"),
    ("flushall", "server", "Removes all keys"),
    ("flushdb", "server", "Removes all keys"),
    ("lpush", "list", "Adds elements at the front"),
    ("rpush", "list", "Adds elements at the back"),
    (
        "lpushx",
        "list",
        "Adds elements at the front of a list that exists",
    ),
    (
        "rpushx",
        "list",
        "Adds elements at the back of a list that exists",
    ),
    ("lpop", "list", "Takes elements from the front"),
    ("rpop", "list", "Takes elements from the back"),
    ("llen", "list", "The length of a list"),
    ("lindex", "list", "One element"),
    ("lrange", "list", "The elements between two positions"),
    ("ltrim", "list", "Keeps the elements between two positions"),
    ("sadd", "set", "Adds members"),
    ("srem", "set", "Removes members"),
    ("smembers", "set", "All members"),
    ("sismember", "set", "Whether it is a member"),
    ("smismember", "set", "Which of them are members"),
    ("scard", "set", "How many members there are"),
    ("spop", "set", "Takes some members"),
    ("hset", "hash", "Sets fields"),
    ("hmset", "hash", "Sets fields"),
    ("hsetnx", "hash", "Sets a field that does not exist"),
    ("hget", "hash", "The value of a field"),
    ("hmget", "hash", "The values of several fields"),
    ("hdel", "hash", "Removes fields"),
    ("hgetall", "hash", "All fields and values"),
    ("hkeys", "hash", "All fields"),
    ("hvals", "hash", "All values"),
    ("hlen", "hash", "How many fields there are"),
    ("hexists", "hash", "Whether there is a field"),
    ("hstrlen", "hash", "The length of a field's value"),
    ("hincrby", "hash", "Adds to the number in a field"),
    ("ping", "connection", "Answers"),
    ("echo", "connection", "Answers with its argument"),
    ("select", "connection", "There is one database, 0"),
    ("quit", "connection", "Ends the connection"),
    (
        "hello",
        "connection",
        "Who the server is; the protocol is version 2",
    ),
    ("client", "connection", "GETNAME SETNAME SETINFO ID"),
    ("config", "server", "GET; nothing can be set"),
    ("command", "server", "COUNT LIST INFO DOCS"),
    ("info", "server", "Figures of the server"),
    ("time", "server", "The time of day"),
    ("auth", "connection", "There is no password"),
];

/// Appends the documentation of the commands that are wanted, as a map.
pub(super) fn write(out: &mut Vec<u8>, wanted: impl Fn(&str) -> bool) {
    let wanted: Vec<_> = DOCS.iter().filter(|(name, ..)| wanted(name)).collect();
    reply::array(out, 2 * wanted.len());
    for (name, group, summary) in wanted {
        reply::bulk(out, name.as_bytes());
        let fields = ["summary", summary, "group", group];
        reply::bulks(out, fields.iter().map(|field| field.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::commands::table::COMMANDS;

    #[test]
    fn docs_name_the_commands_of_the_table() {
        let named = COMMANDS.iter().map(|command| command.name);
        let named = named.filter(|name| !["post", "host:"].contains(name));
        assert!(named.eq(DOCS.iter().map(|(name, ..)| *name)));
    }
}
