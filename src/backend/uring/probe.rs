//! What the rings of this kernel can do.

use io_uring::{Probe, Submitter, opcode};

/// The operations without which a program has to look for another backend, and what they do. Those
/// that are newer complete with an error that says so, and are left out.
const NEEDED: [(u8, &str); 18] = [
    (opcode::Nop::CODE, "do nothing"),
    (opcode::Readv::CODE, "read into several buffers"),
    (opcode::Writev::CODE, "write from several buffers"),
    (opcode::Fsync::CODE, "synchronise files"),
    (opcode::PollAdd::CODE, "poll"),
    (opcode::SendMsg::CODE, "send messages"),
    (opcode::RecvMsg::CODE, "receive messages"),
    (opcode::Accept::CODE, "accept"),
    (opcode::AsyncCancel::CODE, "cancel"),
    (opcode::Connect::CODE, "connect"),
    (opcode::OpenAt::CODE, "open files"),
    (opcode::Close::CODE, "close"),
    (opcode::Statx::CODE, "ask for metadata"),
    (opcode::Read::CODE, "read"),
    (opcode::Write::CODE, "write"),
    (opcode::Send::CODE, "send"),
    (opcode::Recv::CODE, "receive"),
    (opcode::Socket::CODE, "make sockets"),
];

/// What the kernel cannot do, of what is needed. Nothing, if it does not say: a filter may forbid the
/// question and nothing else.
pub(super) fn lacks(submitter: &Submitter<'_>) -> Option<&'static str> {
    let mut probe = Probe::new();
    submitter.register_probe(&mut probe).ok()?;
    let lacking = NEEDED.iter().find(|(code, _)| !probe.is_supported(*code))?;
    Some(lacking.1)
}
