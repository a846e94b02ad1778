//! The commands: what each is called, how many arguments it takes, and what runs it.

mod docs;
mod hashes;
mod keys;
mod lists;
mod server;
mod sets;
mod strings;
mod table;

use super::client::Client;
use super::number;
use super::reply::{self, Failure};
use super::resp::Args;
use super::store::Store;

/// One call of a command.
pub(crate) struct Call<'a> {
    pub(crate) args: Args<'a>,
    pub(crate) store: &'a mut Store,
    pub(crate) client: &'a mut Client,
    /// Where the reply goes. A call that fails has written nothing.
    pub(crate) out: &'a mut Vec<u8>,
    /// The command's name as it is in the table.
    pub(crate) name: &'static str,
}

pub(crate) type Outcome = Result<(), Failure>;

/// A command of the table.
pub(crate) struct Command {
    name: &'static str,
    /// How many arguments, the name among them; if negative, at least so many.
    arity: i64,
    /// Whether it changes the store.
    writes: bool,
    /// Which arguments are keys: first, last (from the end, if negative), step.
    keys: (i64, i64, i64),
    run: fn(&mut Call<'_>) -> Outcome,
}

impl Command {
    fn takes(&self, args: usize) -> bool {
        arity_fits(self.arity, args)
    }
}

fn arity_fits(arity: i64, args: usize) -> bool {
    let args = reply::as_integer(args);
    if arity < 0 {
        args >= -arity
    } else {
        args == arity
    }
}

/// Runs the command that `args` spell, and appends its one reply to `out`.
pub(crate) fn execute(args: Args<'_>, store: &mut Store, client: &mut Client, out: &mut Vec<u8>) {
    store.stats.commands += 1;
    let outcome = match table::find(args.at(0)) {
        Some(command) if command.takes(args.len()) => {
            let name = command.name;
            (command.run)(&mut Call {
                args,
                store,
                client,
                out,
                name,
            })
        }
        Some(command) => Err(Failure::arity(command.name)),
        None => Err(unknown(args)),
    };
    if let Err(Failure(text)) = outcome {
        reply::error(out, &text);
    }
}

fn unknown(args: Args<'_>) -> Failure {
    let mut shown = Vec::new();
    for arg in args.from(1) {
        if shown.len() >= 128 {
            break;
        }
        let room = 128 - shown.len();
        shown.push(b'\'');
        shown.extend_from_slice(printed(arg, room));
        shown.extend_from_slice(b"' ");
    }
    let name = printed(args.at(0), 128);
    let pieces = [
        b"ERR unknown command '",
        name,
        b"', with args beginning with: ",
        &shown,
    ];
    Failure::text(pieces.concat())
}

/// What is shown of an argument: at most `len` bytes, and nothing from a byte 0 on.
fn printed(arg: &[u8], len: usize) -> &[u8] {
    let shown = &arg[..arg.len().min(len)];
    shown.split(|&byte| byte == 0).next().unwrap_or_default()
}

impl<'a> Call<'a> {
    /// The argument at `index`, which exists.
    fn arg(&self, index: usize) -> &'a [u8] {
        self.args.at(index)
    }

    /// The argument at `index` as an integer.
    fn integer(&self, index: usize) -> Result<i64, Failure> {
        number::parse(self.arg(index)).ok_or(Failure::NOT_AN_INTEGER)
    }

    /// The argument at `index` as a count of things.
    fn positive(&self, index: usize) -> Result<usize, Failure> {
        let number = number::parse(self.arg(index));
        let count = number.and_then(|number| usize::try_from(number).ok());
        count.ok_or(Failure::NOT_POSITIVE)
    }

    fn ok(&mut self) -> Outcome {
        reply::simple(self.out, reply::OK);
        Ok(())
    }

    fn reply_integer(&mut self, number: i64) -> Outcome {
        reply::integer(self.out, number);
        Ok(())
    }

    fn reply_count(&mut self, count: usize) -> Outcome {
        reply::count(self.out, count);
        Ok(())
    }
}

/// Whether `arg` is `word`, in capitals or not.
fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// The subcommand at argument 1 of a container such as `CONFIG`.
fn no_subcommand(call: &Call<'_>) -> Failure {
    let name = call.name.to_ascii_uppercase();
    let pieces = [
        b"ERR unknown subcommand '",
        printed(call.arg(1), 128),
        b"'. Try ",
        name.as_bytes(),
        b" HELP.",
    ];
    Failure::text(pieces.concat())
}

/// Checks the number of arguments of a subcommand.
fn expect_arity(call: &Call<'_>, subcommand: &str, arity: i64) -> Outcome {
    if arity_fits(arity, call.args.len()) {
        Ok(())
    } else {
        Err(Failure::arity(&format!("{}|{subcommand}", call.name)))
    }
}

/// Positions `first` to `last` of `len` items as a range of indices; negative ones count from the
/// end.
fn range(first: i64, last: i64, len: usize) -> std::ops::Range<usize> {
    let len = reply::as_integer(len);
    let from_end = |position: i64| {
        if position < 0 {
            position + len
        } else {
            position
        }
    };
    let first = from_end(first).clamp(0, len);
    let end = from_end(last).clamp(-1, len - 1) + 1;
    let index = |position: i64| usize::try_from(position).unwrap_or(0);
    index(first)..index(end.max(first))
}

#[cfg(test)]
mod tests;
