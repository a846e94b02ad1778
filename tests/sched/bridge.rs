//! The bridge from remote to local work: `continues_on` to a scheduler that is bound to its thread.
//! Method: a context, a loop on another thread, thread-bound data in the continuation, and a query
//! that only the home thread may see.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use sendio::IoContext;
use sendio::prelude::*;

fn local<S: LocalSender>(sender: S) -> S {
    sender
}

#[test]
fn bridge_brings_remote_work_home_to_thread_bound_data() {
    let ctx = IoContext::new().expect("a context");
    let away = RunLoop::new();
    thread::scope(|scope| {
        let there = scope.spawn(|| away.run()).thread().id();
        let home = thread::current().id();
        let hits = Rc::new(Cell::new(0));
        let seen = hits.clone();
        // The queries are hidden from the work that may be anywhere: a `Cell` is no business of it.
        let remote = starts_on(away.scheduler(), just(()).then(|()| thread::current().id()));
        let remote = remote.with_env(|env| {
            assert!(env.query::<Rc<Cell<u32>>>().is_none());
            env
        });
        let back = local(remote.continues_on(ctx.local())).then(move |ran| {
            seen.set(seen.get() + 1);
            (ran, thread::current().id())
        });
        let threads = ctx.block_on_local(back.with_query(hits.clone()));
        assert_eq!(threads.expect("no error"), Some((there, home)));
        assert_eq!(hits.get(), 1);
        away.finish();
    });
}
