//! What most programs need, for `use sendio::prelude::*`.

pub use crate::{
    Env, Executor, ExecutorScheduler, Inline, LocalSender, Outcome, RunLoop, Scheduler, Sender,
    SenderExt, StopSource, StopToken, TimedOut, TimedScheduler, just, just_error, just_stopped,
    ready, sync_wait, sync_wait_local, when_all,
};
