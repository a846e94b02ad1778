//! Users' scripts and groups that misbehave, in safe code. Method: a panic in each function that the
//! mechanisms call; where it cannot be told, a child process that must abort with a message.

use std::convert::Infallible;
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::process::Command;
use std::thread;

use sendio::adaptor::{Finished, Group, Grouped, Next, Script, Scripted, Scripting};
use sendio::factory::{Just, KnownValue};
use sendio::prelude::*;
use sendio::{Channel, Env, ExecutorSchedule, Receiver};

/// Makes the child process run the script whose environment panics.
const IN_CHILD: &str = "SENDIO_TEST_ENV_PANICS";

type Scheduled<'a> = ExecutorSchedule<&'a RunLoop>;
type Ready = Just<KnownValue<(), Infallible>>;

/// Where a [`Panicker`] panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Enter,
    Begin,
    AfterFirst,
    AfterSecond,
    Drop,
    BackToFirst,
    SecondAgain,
    Env,
}

struct Panicker(At);

impl Panicker {
    fn here(&self, at: At) {
        assert!(self.0 != at, "{at:?}");
    }
}

type Step = Next<Ready, Ready, (), Infallible>;

impl Script for Panicker {
    type First = Ready;
    type Second = Ready;
    type Value = ();
    type Error = Infallible;

    fn enter(&mut self, _: Env<'_>) {
        self.here(At::Enter);
    }

    fn begin(&mut self) -> Step {
        self.here(At::Begin);
        Next::First(just(()))
    }

    fn after_first(&mut self, _: Outcome<(), Infallible>) -> Step {
        self.here(At::AfterFirst);
        match self.0 {
            At::BackToFirst => Next::First(just(())),
            _ => Next::Second(just(())),
        }
    }

    fn after_second(&mut self, outcome: Outcome<(), Infallible>) -> Step {
        self.here(At::AfterSecond);
        match self.0 {
            At::SecondAgain => Next::Second(just(())),
            _ => Next::Complete(outcome),
        }
    }
}

impl Drop for Panicker {
    fn drop(&mut self) {
        self.here(At::Drop);
    }
}

fn message(result: thread::Result<Result<Option<()>, Infallible>>) -> String {
    let payload = result.expect_err("the panic arrives");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().expect("a text")).to_owned(),
    }
}

#[test]
fn script_that_panics_in_any_step_completes_with_the_panic() {
    use At::{AfterFirst, AfterSecond, Begin, Drop, Enter};
    for at in [Enter, Begin, AfterFirst, AfterSecond, Drop] {
        let result = catch_unwind(|| sync_wait(Scripting::new(Panicker(at))));
        assert_eq!(message(result), format!("{at:?}"));
    }
}

#[test]
fn script_that_goes_back_without_loops_completes_with_a_panic() {
    for at in [At::BackToFirst, At::SecondAgain] {
        let result = catch_unwind(|| sync_wait(Scripted::new(just(()), Panicker(at))));
        assert!(message(result).contains("without LOOPS"), "{at:?}");
    }
}

/// Panics when it weighs.
struct Undecided<C>(std::marker::PhantomData<C>);

impl<'a> Group for Undecided<(Ready, Scheduled<'a>)> {
    type Children = (Ready, Scheduled<'a>);
    type Value = ();
    type Error = Infallible;

    fn weigh(index: usize, _: Channel) -> u8 {
        panic!("child {index}")
    }

    fn conclude<R: Receiver<(), Infallible>>(
        self,
        mut finished: Finished<'_, Self, R>,
        decisive: Option<usize>,
    ) -> Outcome<(), Infallible> {
        assert_eq!(decisive, Some(0), "the first of two that weigh the same");
        let second = finished.take::<1>(0).expect("child 1 completed");
        assert_eq!(second.channel(), Channel::Panicked);
        finished.take::<0>(0).expect("child 0 completed")
    }
}

#[test]
fn group_that_panics_while_it_weighs_completes_with_the_panic() {
    let run_loop = RunLoop::new();
    thread::scope(|threads| {
        threads.spawn(|| run_loop.run());
        let children = (just(()), run_loop.scheduler().schedule());
        let group = Grouped::new(children, Undecided(std::marker::PhantomData));
        let result = catch_unwind(std::panic::AssertUnwindSafe(|| sync_wait(group)));
        assert_eq!(message(result), "child 0");
        run_loop.finish();
    });
}

/// Has an environment that panics.
struct NoEnvironment(Panicker);

impl Script for NoEnvironment {
    type First = CurrentSchedule;
    type Second = Ready;
    type Value = ();
    type Error = Infallible;

    fn begin(&mut self) -> Next<CurrentSchedule, Ready, (), Infallible> {
        Next::First(sendio::current_scheduler().schedule())
    }

    fn after_first(
        &mut self,
        outcome: Outcome<(), Infallible>,
    ) -> Next<CurrentSchedule, Ready, (), Infallible> {
        Next::Complete(outcome)
    }

    fn after_second(
        &mut self,
        outcome: Outcome<(), Infallible>,
    ) -> Next<CurrentSchedule, Ready, (), Infallible> {
        Next::Complete(outcome)
    }

    fn first_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        self.0.here(At::Env);
        outer()
    }
}

type CurrentSchedule = <sendio::CurrentScheduler as Scheduler>::Schedule;

/// Runs a script whose environment panics; in the child process only.
#[test]
fn environment_that_panics_in_child_process() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    let _ = sync_wait(Scripting::new(NoEnvironment(Panicker(At::Env))));
}

#[test]
fn script_that_panics_in_its_environment_aborts_with_a_message() {
    let child = Command::new(std::env::current_exe().expect("this test binary"))
        .args([
            "--exact",
            "hostile::environment_that_panics_in_child_process",
            "--nocapture",
        ])
        .env(IN_CHILD, "1")
        .output()
        .expect("run the test binary");
    let stderr = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(6), "no abort: {stderr}");
    assert!(
        stderr.contains("a script panicked while it made an environment"),
        "no message: {stderr}"
    );
}
