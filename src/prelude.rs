//! What most programs need, for `use sendio::prelude::*`.

pub use crate::{
    Env, Executor, ExecutorScheduler, FileOps, Inline, Io, IoBufExt, IoBufMutExt, IoContext,
    LocalSender, OpenOptions, Outcome, RunLoop, Scheduler, Sender, SenderExt, StopSource,
    StopToken, TimedOut, TimedScheduler, just, just_error, just_stopped, let_ref, on, ready,
    repeat_with, starts_on, sync_wait, sync_wait_local, when_all,
    Either, Env, Executor, ExecutorScheduler, Inline, LocalSender, Outcome, RunLoop, Scheduler,
    Sender, SenderExt, StopSource, StopToken, TimedScheduler, just, just_error, just_from,
    just_stopped, read_env, ready, sync_wait, sync_wait_local,
};
