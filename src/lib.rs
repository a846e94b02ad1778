//! `std::execution` (P2300 senders and receivers) for Rust, with real Linux I/O under it.

mod abort;
#[cfg(doctest)]
mod compile_fail;
#[cfg(all(test, loom))]
mod loom;
pub mod prelude;
mod sched;
mod senders;
mod sync;
mod util;

pub use sched::executor::{ExecutorOp, ExecutorSchedule, ExecutorScheduler};
pub use sched::inline::Inline;
pub use sched::run_loop::{RunLoop, RunLoopScheduler};
pub use senders::adaptor::timeout::TimedOut;
pub use senders::adaptor::when_all::when_all;
pub use senders::concept::env::Env;
pub use senders::concept::local::{LocalSender, SendSender};
pub use senders::concept::operation::OperationState;
pub use senders::concept::outcome::{Channel, Outcome};
pub use senders::concept::panic::Panic;
pub use senders::concept::receiver::Receiver;
pub use senders::concept::scheduler::{
    IntoError, LocalScheduler, Scheduler, SchedulerRef, TimedScheduler,
};
pub use senders::concept::sender::Sender;
pub use senders::concept::task::{Executor, Task};
pub use senders::consumer::sync_wait::{sync_wait, sync_wait_local};
pub use senders::ext::SenderExt;
pub use senders::factory::just::{just, just_error, just_stopped, ready};
pub use senders::stop::{StopCallback, StopSource, StopToken};

/// The types of adaptors, and the two mechanisms of which they are made: for naming a sender, and for
/// writing an adaptor of your own without `unsafe`.
pub mod adaptor {
    pub use crate::senders::adaptor::let_value::{LetValue, LetValueScript};
    pub use crate::senders::adaptor::then::{Then, ThenMap};
    pub use crate::senders::adaptor::timeout::{Timeout, TimeoutGroup};
    pub use crate::senders::adaptor::when_all::{Collect, WhenAll, WhenAllGroup};
    pub use crate::senders::concept::group::{
        Child, ChildReceiver, Children, Element, Finished, Group, GroupOp, Grouped, LocalChildren,
        Slot,
    };
    pub use crate::senders::concept::map::{Map, MapReceiver, Mapped};
    pub use crate::senders::concept::script::{
        FirstReceiver, Next, Script, ScriptOp, SecondReceiver,
    };
    pub use crate::senders::concept::scripted::{Scripted, Scripting};
    pub use crate::senders::factory::just::{Just, KnownValue};
}
