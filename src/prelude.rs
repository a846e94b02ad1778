//! What most programs need, for `use sendio::prelude::*`.

pub use crate::{
    Either, Endpoint, Env, Executor, ExecutorScheduler, FileHandle, FileOps, Inline, Io, IoBufExt,
    IoBufMutExt, IoContext, IoScheduler, LocalIoScheduler, LocalSender, OpenOptions, Outcome,
    PathOps, RunLoop, Scheduler, Sender, SenderExt, SocketOps, SocketOptions, StopSource,
    StopToken, Task, TimedOut, TimedScheduler, just, just_error, just_from, just_stopped, let_ref,
    on, read_env, ready, repeat_with, starts_on, sync_wait, sync_wait_local, transferred, when_all,
};
