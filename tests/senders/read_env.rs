//! read_env: a value that is taken from the environment at the start.
//! Method: every question an environment answers, with and without an answer; panics.

use sendio::{Env, Executor, Outcome, SchedulerRef, SenderExt, StopSource, Task, read_env};

use crate::common::receivers::{Probe, Trace, connect_and_start, run};

struct Here;

impl Executor for Here {
    fn execute(&self, task: Task) {
        task.run();
    }
}

#[test]
fn read_env_empty_environment_answers_nothing() {
    let sender = read_env(|env| {
        let token = env.stop_token();
        let query = env.query::<u32>().copied();
        (
            token.stop_possible(),
            token.stop_requested(),
            env.scheduler().is_some(),
            query,
        )
    });
    assert!(matches!(
        run(sender),
        Outcome::Value((false, false, false, None))
    ));
}

#[test]
fn read_env_receiver_environment_is_answered_in_start() {
    let source = StopSource::new();
    let env = Env::default()
        .with_stop_token(source.token())
        .with_scheduler(SchedulerRef::new(&Here));
    let probe = Probe::new();
    let sender = read_env(|env| (env.stop_token().stop_requested(), env.scheduler().is_some()));
    source.request_stop();
    let _op = connect_and_start(sender, probe.receiver_in(env));
    assert_eq!(probe.expect_value(), (true, true));
}

#[test]
fn read_env_query_nearest_wins_and_can_be_cloned_out() {
    let sender = read_env(|env| env.query::<String>().cloned());
    let sender = sender
        .with_query(String::from("near"))
        .with_query(String::from("far"));
    assert!(matches!(run(sender), Outcome::Value(Some(text)) if text == "near"));
}

#[test]
fn read_env_closure_panic_travels_after_the_captures_are_dropped() {
    let trace = Trace::new();
    let guard = trace.guard("capture");
    let probe = Probe::<u8, _>::traced(&trace);
    let sender = read_env(move |_| {
        guard.touch();
        panic!("the closure fell")
    });
    let _op = connect_and_start(sender, probe.receiver());
    assert_eq!(probe.expect_panicked(), "the closure fell");
    trace.expect(&["drop capture", "panicked"]);
}
