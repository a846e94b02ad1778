//! Commands on the connection and the server.

use super::table::COMMANDS;
use super::{Call, Command, Outcome, docs, expect_arity, is, no_subcommand};
use crate::kv::glob;
use crate::kv::number;
use crate::kv::reply::{self, Failure};
use crate::kv::store::Stats;

/// The version of Redis whose answers these are; clients choose their commands by it.
const VERSION: &str = "7.0.15";

/// What `CONFIG GET` answers. Nothing can be set.
const PARAMETERS: [(&str, &str); 8] = [
    ("appendonly", "no"),
    ("client-query-buffer-limit", "1073741824"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("proto-max-bulk-len", "536870912"),
    ("save", ""),
    ("timeout", "0"),
];

pub(super) fn ping(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        1 => reply::simple(call.out, "PONG"),
        2 => reply::bulk(call.out, call.args.at(1)),
        _ => return Err(Failure::arity(call.name)),
    }
    Ok(())
}

pub(super) fn echo(call: &mut Call<'_>) -> Outcome {
    reply::bulk(call.out, call.args.at(1));
    Ok(())
}

pub(super) fn select(call: &mut Call<'_>) -> Outcome {
    match call.integer(1)? {
        0 => call.ok(),
        other if i32::try_from(other).is_err() => Err(Failure::new(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        )),
        _ => Err(Failure::new("ERR DB index is out of range")),
    }
}

pub(super) fn quit(call: &mut Call<'_>) -> Outcome {
    call.client.ends = true;
    call.ok()
}

/// Ends the connection without a word, also about what came before.
#[expect(clippy::unnecessary_wraps, reason = "a function of the table")]
pub(super) fn close(call: &mut Call<'_>) -> Outcome {
    call.out.clear();
    call.client.ends = true;
    Ok(())
}

pub(super) fn auth(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        2 => Err(Failure::new(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        )),
        3 if call.arg(1) == b"default" => call.ok(),
        3 => Err(Failure::new(
            "WRONGPASS invalid username-password pair or user is disabled.",
        )),
        _ => Err(Failure::SYNTAX),
    }
}

pub(super) fn hello(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 1 {
        match number::parse(call.arg(1)) {
            None => {
                return Err(Failure::new(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
            Some(2) => {}
            // Clients that would like version 3 go on with 2 after this.
            Some(_) => return Err(Failure::new("NOPROTO unsupported protocol version")),
        }
    }
    let mut options = call.args.from(2.min(call.args.len()));
    let mut name = None;
    while let Some(option) = options.next() {
        name = Some(match (is(option, "setname"), options.next()) {
            (true, Some(name)) => checked_name(name)?,
            _ => {
                let text = [b"ERR Syntax error in HELLO option '", option, b"'"].concat();
                return Err(Failure::text(text));
            }
        });
    }
    if let Some(name) = name {
        call.client.name = name.to_vec();
    }
    reply::array(call.out, 14);
    for text in ["server", "redis", "version", VERSION, "proto"] {
        reply::bulk(call.out, text.as_bytes());
    }
    reply::integer(call.out, 2);
    reply::bulk(call.out, b"id");
    reply::integer(call.out, call.client.id.cast_signed());
    for text in ["mode", "standalone", "role", "master", "modules"] {
        reply::bulk(call.out, text.as_bytes());
    }
    reply::array(call.out, 0);
    Ok(())
}

/// A name that a client may have.
fn checked_name(name: &[u8]) -> Result<&[u8], Failure> {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(name);
    }
    Err(Failure::new(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

pub(super) fn client(call: &mut Call<'_>) -> Outcome {
    let subcommand = call.arg(1);
    if is(subcommand, "setname") {
        expect_arity(call, "setname", 3)?;
        call.client.name = checked_name(call.arg(2))?.to_vec();
        call.ok()
    } else if is(subcommand, "getname") {
        expect_arity(call, "getname", 2)?;
        let name = Some(&*call.client.name).filter(|name| !name.is_empty());
        reply::bulk_or_nil(call.out, name);
        Ok(())
    } else if is(subcommand, "setinfo") {
        expect_arity(call, "setinfo", 4)?;
        let option = call.arg(2);
        if is(option, "lib-name") || is(option, "lib-ver") {
            return call.ok();
        }
        let text = [b"ERR Unrecognized option '", option, b"'"].concat();
        Err(Failure::text(text))
    } else if is(subcommand, "id") {
        expect_arity(call, "id", 2)?;
        let id = call.client.id.cast_signed();
        call.reply_integer(id)
    } else {
        Err(no_subcommand(call))
    }
}

/// How `CONFIG GET` calls the parameter, if that was asked for: one that was spelled out in full is
/// called as it was spelled.
fn called<'a>(call: &Call<'a>, name: &'static str) -> Option<&'a [u8]> {
    let fits = |pattern: &&[u8]| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes());
    let pattern = call.args.from(2).find(fits)?;
    let is_name = pattern.iter().all(|byte| !b"[*?".contains(byte));
    Some(if is_name { pattern } else { name.as_bytes() })
}

pub(super) fn config(call: &mut Call<'_>) -> Outcome {
    let subcommand = call.arg(1);
    if is(subcommand, "get") {
        expect_arity(call, "get", -3)?;
        let fitting = |(name, value)| Some((called(call, name)?, value));
        let found: Vec<_> = PARAMETERS.into_iter().filter_map(fitting).collect();
        reply::array(call.out, 2 * found.len());
        for (name, value) in found {
            reply::bulk(call.out, name);
            reply::bulk(call.out, value.as_bytes());
        }
        Ok(())
    } else if is(subcommand, "set") {
        expect_arity(call, "set", -4)?;
        let name = call.arg(2);
        let known = PARAMETERS.iter().any(|(known, _)| is(name, known));
        let pieces: [&[u8]; 3] = if known && call.args.len().is_multiple_of(2) {
            let text = b"ERR CONFIG SET failed (possibly related to argument '";
            [text, name, b"') - can't set immutable config"]
        } else {
            let text = b"ERR Unknown option or number of arguments for CONFIG SET - '";
            [text, name, b"'"]
        };
        Err(Failure::text(pieces.concat()))
    } else if is(subcommand, "resetstat") {
        expect_arity(call, "resetstat", 2)?;
        let clients = call.store.stats.clients;
        call.store.stats = Stats {
            clients,
            ..Stats::default()
        };
        call.ok()
    } else {
        Err(no_subcommand(call))
    }
}

pub(super) fn command(call: &mut Call<'_>) -> Outcome {
    let Some(subcommand) = call.args.from(1).next() else {
        reply::array(call.out, COMMANDS.len());
        COMMANDS
            .iter()
            .for_each(|command| describe(call.out, command));
        return Ok(());
    };
    if is(subcommand, "count") {
        expect_arity(call, "count", 2)?;
        call.reply_count(COMMANDS.len())
    } else if is(subcommand, "list") {
        expect_arity(call, "list", 2)?;
        reply::bulks(
            call.out,
            COMMANDS.iter().map(|command| command.name.as_bytes()),
        );
        Ok(())
    } else if is(subcommand, "docs") {
        let all = call.args.len() == 2;
        docs::write(call.out, |name| {
            all || call.args.from(2).any(|arg| is(arg, name))
        });
        Ok(())
    } else if is(subcommand, "info") {
        reply::array(call.out, call.args.len() - 2);
        for name in call.args.from(2) {
            match super::table::find(name) {
                Some(command) => describe(call.out, command),
                None => reply::nil(call.out),
            }
        }
        Ok(())
    } else {
        Err(no_subcommand(call))
    }
}

/// What `COMMAND` says of one command: name, arity, flags, and which arguments are keys.
fn describe(out: &mut Vec<u8>, command: &Command) {
    reply::array(out, 6);
    reply::bulk(out, command.name.as_bytes());
    reply::integer(out, command.arity);
    let (first, last, step) = command.keys;
    let flag = match (first, command.writes) {
        (0, false) => None,
        (_, false) => Some("readonly"),
        (_, true) => Some("write"),
    };
    reply::array(out, flag.iter().len());
    flag.iter().for_each(|flag| reply::simple(out, flag));
    for number in [first, last, step] {
        reply::integer(out, number);
    }
}

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    let asked = |section: &str| {
        let all = ["all", "default", "everything"];
        call.args.len() == 1
            || call
                .args
                .from(1)
                .any(|arg| is(arg, section) || all.iter().any(|all| is(arg, all)))
    };
    let stats = &call.store.stats;
    let mut sections = Vec::new();
    if asked("server") {
        let process = std::process::id();
        sections.push(format!(
            "# Server\r\nredis_version:{VERSION}\r\nserver_name:sendio-kv\r\n\
             redis_mode:standalone\r\nprocess_id:{process}\r\n"
        ));
    }
    if asked("clients") {
        sections.push(format!(
            "# Clients\r\nconnected_clients:{}\r\n",
            stats.clients
        ));
    }
    if asked("stats") {
        sections.push(format!(
            "# Stats\r\ntotal_connections_received:{}\r\ntotal_commands_processed:{}\r\n\
             expired_keys:{}\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\n",
            stats.connections, stats.commands, stats.expired, stats.hits, stats.misses
        ));
    }
    if asked("replication") {
        sections.push("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n".to_owned());
    }
    if asked("keyspace") {
        let mut section = "# Keyspace\r\n".to_owned();
        if call.store.len() > 0 {
            let (keys, volatile) = (call.store.len(), call.store.volatile());
            section += &format!("db0:keys={keys},expires={volatile},avg_ttl=0\r\n");
        }
        sections.push(section);
    }
    reply::bulk(call.out, sections.join("\r\n").as_bytes());
    Ok(())
}

pub(super) fn time(call: &mut Call<'_>) -> Outcome {
    let now = call.store.now();
    let parts = [now / 1000, now % 1000 * 1000].map(|part| part.to_string());
    reply::bulks(call.out, parts.iter().map(|part| part.as_bytes()));
    Ok(())
}
