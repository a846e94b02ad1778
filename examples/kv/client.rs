//! One client's side of the server: bytes in, replies out.

use std::hash::{BuildHasher, RandomState};

use super::commands;
use super::reply;
use super::resp::{Parser, Step};
use super::store::Store;

/// Room for input that a session has while it waits.
const INPUT_MIN: usize = 4 * 1024;
/// Most room for input that is added at once.
const INPUT_STEP: usize = 64 * 1024;
/// Most input that is not executed yet: `client-query-buffer-limit`.
const INPUT_MAX: usize = 1 << 30;
/// Replies are sent when they are so long, before more commands are executed.
const REPLIES: usize = 256 * 1024;

/// What the commands know of the client who sent them.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) name: Vec<u8>,
    /// The connection ends when the replies so far were sent.
    pub(crate) ends: bool,
    random: u64,
}

impl Client {
    pub(crate) fn new(id: u64) -> Self {
        // std seeds its hash keys from the system's random numbers.
        let random = RandomState::new().hash_one(id) | 1;
        Self {
            id,
            name: Vec::new(),
            ends: false,
            random,
        }
    }

    /// The next number of a simple random sequence (xorshift).
    pub(crate) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// What a session wants after it has executed what it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Append what the client sends to the [`Session::input`].
    Input,
    /// Send the [`Session::replies`], and go on.
    Flush,
    /// Send the replies, then close.
    Close,
}

/// A client's input, of which complete commands are executed, and the replies to them.
///
/// Memory: the input grows with what has arrived of one command, up to 1 GiB; the replies are handed
/// out whenever they are longer than [`REPLIES`], however many commands are waiting.
#[derive(Debug)]
pub(crate) struct Session {
    input: Vec<u8>,
    /// How much of the input was executed.
    done: usize,
    /// How many more bytes the present command needs, at least.
    missing: usize,
    within: bool,
    parser: Parser,
    replies: Vec<u8>,
    client: Client,
}

impl Session {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            input: Vec::with_capacity(INPUT_MIN),
            done: 0,
            missing: 1,
            within: false,
            parser: Parser::default(),
            replies: Vec::new(),
            client: Client::new(id),
        }
    }

    /// The input, with room behind its end for more, which is to be appended. Give it back with
    /// [`put_input`](Self::put_input).
    pub(crate) fn take_input(&mut self) -> Vec<u8> {
        let mut input = std::mem::take(&mut self.input);
        if self.done == input.len() {
            input.clear();
            if input.capacity() > INPUT_STEP {
                input = Vec::with_capacity(INPUT_MIN);
            }
        } else if self.done > 0 {
            // What is moved is the beginning of one command; it is not moved again before that
            // was executed, so each byte is moved once at most.
            input.drain(..self.done);
        }
        self.done = 0;
        if input.capacity() - input.len() < self.missing.min(INPUT_MIN / 2) {
            // Doubles what is there. What a client only announces takes no memory.
            input.reserve(self.missing.clamp(INPUT_MIN, INPUT_STEP));
        }
        input
    }

    /// Whether the beginning of a command has arrived, and not its end.
    pub(crate) fn is_within_command(&self) -> bool {
        self.within
    }

    pub(crate) fn put_input(&mut self, input: Vec<u8>) {
        self.input = input;
    }

    /// The replies that are to be sent.
    pub(crate) fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// Gives the memory of sent replies back.
    pub(crate) fn put_replies(&mut self, mut replies: Vec<u8>) {
        replies.clear();
        if replies.capacity() <= 2 * REPLIES {
            self.replies = replies;
        }
    }

    /// Executes complete commands until the input or the room for replies is used up.
    pub(crate) fn execute(&mut self, store: &mut Store) -> Want {
        store.begin();
        while !self.client.ends {
            if self.replies.len() >= REPLIES {
                return Want::Flush;
            }
            let input = &self.input[self.done..];
            match self.parser.advance(input) {
                Ok(Step::Command(len)) => {
                    let args = self.parser.args(input);
                    commands::execute(args, store, &mut self.client, &mut self.replies);
                    self.done += len;
                }
                Ok(Step::Nothing(len)) => self.done += len,
                Ok(Step::Missing(_)) if input.len() > INPUT_MAX => self.client.ends = true,
                Ok(Step::Missing(missing)) => {
                    (self.missing, self.within) = (missing, !input.is_empty());
                    return Want::Input;
                }
                Err(malformed) => {
                    reply::error(&mut self.replies, &malformed.text());
                    self.client.ends = true;
                }
            }
        }
        Want::Close
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::store::tests::store;

    /// Receives `bytes` as far as there is room; how many.
    fn receive(session: &mut Session, bytes: &[u8]) -> usize {
        let mut input = session.take_input();
        let room = (input.capacity() - input.len()).min(bytes.len());
        assert!(room > 0);
        input.extend_from_slice(&bytes[..room]);
        session.put_input(input);
        room
    }

    /// The replies to `input`, and whether the session ended.
    fn converse(session: &mut Session, store: &mut Store, mut input: &[u8]) -> (Vec<u8>, bool) {
        let mut replies = Vec::new();
        loop {
            let want = session.execute(store);
            let part = session.take_replies();
            replies.extend_from_slice(&part);
            session.put_replies(part);
            match want {
                Want::Close => return (replies, true),
                Want::Flush => {}
                Want::Input if input.is_empty() => return (replies, false),
                Want::Input => input = &input[receive(session, input)..],
            }
        }
    }

    fn replies(input: &[u8]) -> (String, bool) {
        let (replies, ended) = converse(&mut Session::new(1), &mut store(), input);
        (String::from_utf8(replies).unwrap(), ended)
    }

    #[test]
    fn pipeline_is_answered_in_order() {
        let input = b"SET k 1\r\n*2\r\n$4\r\nINCR\r\n$1\r\nk\r\nGET k\r\nnonsense\r\nPING\r\n";
        let expected = "+OK\r\n:2\r\n$1\r\n2\r\n-ERR unknown command 'nonsense', \
                        with args beginning with: \r\n+PONG\r\n";
        assert_eq!(replies(input), (expected.to_owned(), false));
    }

    #[test]
    fn quit_and_broken_protocol_end_the_session_after_the_reply() {
        assert_eq!(replies(b"QUIT\r\nPING\r\n"), ("+OK\r\n".to_owned(), true));
        let error = "-ERR Protocol error: invalid multibulk length\r\n";
        assert_eq!(replies(b"*x\r\nPING\r\n"), (error.to_owned(), true));
        assert_eq!(replies(b"POST / HTTP/1.1\r\n"), (String::new(), true));
    }

    #[test]
    fn large_value_arrives_in_parts_without_quadratic_growth() {
        let value = vec![b'v'; 32 << 20];
        let mut input = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len()).into_bytes();
        input.extend_from_slice(&value);
        input.extend_from_slice(b"\r\nGET k\r\nSTRLEN k\r\n");
        let (mut session, mut store) = (Session::new(1), store());
        let (replies, ended) = converse(&mut session, &mut store, &input);
        assert!(!ended && replies.starts_with(b"+OK\r\n$33554432\r\nvvv"));
        assert!(replies.ends_with(b"v\r\n:33554432\r\n"));
        // Nothing of that size is kept.
        assert!(session.take_input().capacity() <= INPUT_STEP);
        assert!(session.take_replies().capacity() <= 2 * REPLIES);
    }

    #[test]
    fn announced_length_takes_no_memory() {
        let mut session = Session::new(1);
        receive(&mut session, b"*2000000000\r\n$536870912\r\nab");
        assert_eq!(session.execute(&mut store()), Want::Input);
        assert!(session.take_input().capacity() <= 2 * INPUT_STEP);
    }

    #[test]
    fn replies_are_flushed_before_they_become_large() {
        let (mut session, mut store) = (Session::new(1), store());
        converse(
            &mut session,
            &mut store,
            &[b"SET k ", &[b'x'; 60_000][..], b"\r\n"].concat(),
        );
        let gets = b"GET k\r\n".repeat(500);
        assert_eq!(receive(&mut session, &gets), gets.len());
        let mut sent = 0;
        loop {
            let want = session.execute(&mut store);
            let part = session.take_replies();
            assert!(part.len() <= REPLIES + 60_100);
            sent += part.len();
            session.put_replies(part);
            if want == Want::Input {
                break;
            }
            assert_eq!(want, Want::Flush);
        }
        assert_eq!(sent, 500 * 60_010);
    }
}
