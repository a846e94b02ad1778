//! stop tokens: sources, tokens, callbacks as users see them.
//! Method: each rule T-1 to T-12 of the conformance list by itself, then panics, leaks and moves.
//! Orders that only threads can make are repeated; waits have a deadline.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sendio::{StopCallback, StopSource, StopToken};

/// Longer than any machine needs; a test that waits this long has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// A place where a callback finds the owner of a callback.
type Shelf = Arc<Mutex<Option<Pin<Box<dyn Send>>>>>;

fn wait<T>(receiver: &Receiver<T>) -> T {
    receiver
        .recv_timeout(DEADLINE)
        .expect("the other thread did not get there in time")
}

/// A counter and a `'static` closure that counts.
fn counter() -> (Arc<AtomicUsize>, impl FnOnce() + Send + Clone + 'static) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    (count, move || {
        counted.fetch_add(1, Ordering::Relaxed);
    })
}

fn message(payload: Box<dyn std::any::Any + Send>) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .expect("the payload of another panic")
}

// T-1
#[test]
fn stop_source_request_is_seen_by_all_tokens() {
    let source = StopSource::default();
    let (one, two) = (source.token(), source.token());
    let copy = one;
    assert!([one, two, copy].into_iter().all(StopToken::stop_possible));
    assert!(![one, two, copy].into_iter().any(StopToken::stop_requested));
    source.request_stop();
    assert!(source.stop_requested());
    assert!(
        [one, two, copy, source.token()]
            .into_iter()
            .all(StopToken::stop_requested)
    );
}

// T-2
#[test]
fn stop_source_request_runs_callback_once_on_requesting_thread() {
    let source = StopSource::new();
    let token = source.token();
    let runs = Mutex::new(Vec::new());
    let callback = || {
        let run = (thread::current().id(), token.stop_requested());
        runs.lock().expect("runs").push(run);
    };
    token.with_callback(callback, || {
        let requester = thread::scope(|scope| {
            let requesting = scope.spawn(|| {
                source.request_stop();
                thread::current().id()
            });
            requesting.join().expect("requester")
        });
        assert_eq!(*runs.lock().expect("runs"), [(requester, true)]);
    });
    assert_eq!(runs.lock().expect("runs").len(), 1);
}

// T-3
#[test]
fn stop_source_second_request_runs_nothing_again() {
    let source = StopSource::new();
    let (count, callback) = counter();
    source.token().with_callback(callback, || {
        source.request_stop();
        source.request_stop();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
    source.request_stop();
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

// T-4
#[test]
fn stop_callback_register_after_request_runs_inline() {
    let source = StopSource::new();
    source.request_stop();
    let (count, callback) = counter();
    source.token().with_callback(callback.clone(), || {
        assert_eq!(count.load(Ordering::Relaxed), 1, "before the body");
    });
    let mut pinned = pin!(StopCallback::new(source.token(), callback));
    assert_eq!(count.load(Ordering::Relaxed), 1, "not before register");
    pinned.as_mut().register();
    assert_eq!(count.load(Ordering::Relaxed), 2, "inside register");
    pinned.as_mut().register();
    source.request_stop();
    assert_eq!(count.load(Ordering::Relaxed), 2, "once per callback");
}

// T-5
#[test]
fn stop_callback_drop_before_request_prevents_run() {
    let source = StopSource::new();
    let (count, callback) = counter();
    {
        let mut pinned = pin!(StopCallback::new(source.token(), callback.clone()));
        pinned.as_mut().register();
    }
    source.token().with_callback(callback.clone(), || {});
    drop(StopCallback::new(source.token(), callback));
    source.request_stop();
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

// T-5
#[test]
fn stop_callback_drop_in_any_order_keeps_the_others() {
    // Of four callbacks every subset is dropped, once from the front and once from the back.
    for subset in 0_u32..16 {
        for backwards in [false, true] {
            let source = StopSource::new();
            let counts: [_; 4] = std::array::from_fn(|_| counter());
            let mut callbacks: Vec<_> = counts
                .iter()
                .map(|(_, callback)| {
                    let mut pinned = Box::pin(StopCallback::new(source.token(), callback.clone()));
                    pinned.as_mut().register();
                    Some(pinned)
                })
                .collect();
            let mut order: Vec<usize> = (0..4).filter(|i| subset & (1 << i) != 0).collect();
            if backwards {
                order.reverse();
            }
            for index in order {
                callbacks[index] = None;
            }
            source.request_stop();
            for (index, (count, _)) in counts.iter().enumerate() {
                let expected = usize::from(subset & (1 << index) == 0);
                assert_eq!(
                    count.load(Ordering::Relaxed),
                    expected,
                    "{index} of {subset:04b}"
                );
            }
        }
    }
}

// T-6
#[test]
fn stop_callback_drop_during_run_elsewhere_waits() {
    for _ in 0..100 {
        let source = StopSource::new();
        let finished = AtomicBool::new(false);
        let (entered_sender, entered) = channel();
        thread::scope(|scope| {
            let callback = || {
                entered_sender.send(()).expect("the owner waits for this");
                for _ in 0..100 {
                    thread::yield_now();
                }
                finished.store(true, Ordering::Relaxed);
            };
            source.token().with_callback(callback, || {
                scope.spawn(|| source.request_stop());
                wait(&entered);
            });
            assert!(finished.load(Ordering::Relaxed), "the callback still ran");
        });
    }
}

// T-7
#[test]
fn stop_callback_drop_by_its_own_callback_does_not_block() {
    for neighbours in [false, true] {
        // The source is static so that the callback can be put where the callback finds it.
        let source: &'static StopSource = Box::leak(Box::default());
        let (count, other) = counter();
        let shelf: Shelf = Arc::default();
        let (shelf_inside, count_inside) = (Arc::clone(&shelf), Arc::clone(&count));
        let mut owner = Box::pin(StopCallback::new(source.token(), move || {
            let owner = shelf_inside.lock().expect("shelf").take();
            drop(owner.expect("the owner of this callback"));
            count_inside.fetch_add(1, Ordering::Relaxed);
        }));
        let mut before = pin!(StopCallback::new(source.token(), other.clone()));
        let mut after = pin!(StopCallback::new(source.token(), other));
        if neighbours {
            before.as_mut().register();
        }
        owner.as_mut().register();
        if neighbours {
            after.as_mut().register();
        }
        *shelf.lock().expect("shelf") = Some(owner);
        assert!(source.request_stop());
        assert!(shelf.lock().expect("shelf").is_none());
        assert_eq!(
            count.load(Ordering::Relaxed),
            if neighbours { 3 } else { 1 }
        );
    }
}

// T-8
#[test]
fn stop_source_request_by_many_threads_is_true_once() {
    for _ in 0..50 {
        let source = StopSource::new();
        let (count, callback) = counter();
        let firsts = source.token().with_callback(callback, || {
            thread::scope(|scope| {
                let threads: [_; 4] =
                    std::array::from_fn(|_| scope.spawn(|| source.request_stop()));
                threads.map(|thread| thread.join().expect("requester"))
            })
        });
        assert_eq!(firsts.into_iter().filter(|first| *first).count(), 1);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert!(!source.request_stop());
    }
}

// T-9
#[test]
fn stop_token_equality_is_that_of_the_source() {
    let (one, two) = (StopSource::new(), StopSource::new());
    assert_eq!(one.token(), one.token());
    assert_ne!(one.token(), two.token());
    assert_ne!(one.token(), StopToken::NEVER);
    assert_eq!(StopToken::default(), StopToken::NEVER);
    one.request_stop();
    assert_eq!(one.token(), one.token(), "a request changes nothing");
}

// T-10
#[test]
fn stop_token_never_registers_nothing() {
    let never = StopToken::NEVER;
    assert!(!never.stop_possible());
    assert!(!never.stop_requested());
    let (count, callback) = counter();
    assert_eq!(never.with_callback(callback.clone(), || 7), 7);
    {
        let mut pinned = pin!(StopCallback::new(never, callback));
        pinned.as_mut().register();
        pinned.as_mut().register();
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
    assert_eq!(Arc::strong_count(&count), 1, "unused closures are dropped");
}

// T-11
#[test]
fn stop_source_request_runs_every_callback() {
    let source = StopSource::new();
    let (count, callback) = counter();
    let callbacks: Vec<_> = (0..100)
        .map(|_| {
            let mut pinned = Box::pin(StopCallback::new(source.token(), callback.clone()));
            pinned.as_mut().register();
            pinned
        })
        .collect();
    source.request_stop();
    assert_eq!(count.load(Ordering::Relaxed), 100);
    drop(callbacks);
    assert_eq!(count.load(Ordering::Relaxed), 100);
}

// T-11
#[test]
fn stop_callback_drop_by_another_callback_keeps_the_rest() {
    // Each callback drops its partner, whichever comes first: of each pair one runs.
    let source: &'static StopSource = Box::leak(Box::default());
    let (count, _) = counter();
    let cells: [Shelf; 6] = std::array::from_fn(|_| Arc::default());
    for (index, cell) in cells.iter().enumerate() {
        let (partner, count) = (Arc::clone(&cells[index ^ 1]), Arc::clone(&count));
        let mut pinned = Box::pin(StopCallback::new(source.token(), move || {
            let dropped = partner.lock().expect("partner").take();
            assert!(dropped.is_some());
            count.fetch_add(1, Ordering::Relaxed);
        }));
        pinned.as_mut().register();
        *cell.lock().expect("cell") = Some(pinned);
    }
    source.request_stop();
    assert_eq!(count.load(Ordering::Relaxed), 3);
    for cell in &cells {
        drop(cell.lock().expect("cell").take());
    }
}

/// Stops `own` when one of `upstream` is stopped, while `body` runs.
fn fused(upstream: &[StopSource], own: &StopSource, body: &mut dyn FnMut()) {
    match upstream.split_first() {
        Some((first, rest)) => {
            let forward = || {
                own.request_stop();
            };
            first
                .token()
                .with_callback(forward, || fused(rest, own, body));
        }
        None => body(),
    }
}

// T-12
#[test]
fn stop_source_fused_is_stopped_by_any_upstream() {
    for sources in 1..=3 {
        for stopped in 0..sources {
            let upstream: Vec<StopSource> = (0..sources).map(|_| StopSource::new()).collect();
            let own = StopSource::new();
            let (count, callback) = counter();
            fused(&upstream, &own, &mut || {
                own.token().with_callback(callback.clone(), || {
                    assert!(!own.stop_requested());
                    upstream[stopped].request_stop();
                    assert!(own.stop_requested());
                });
            });
            assert_eq!(count.load(Ordering::Relaxed), 1);
        }
    }
}

// T-12
#[test]
fn stop_source_fused_own_stop_stays_downstream() {
    let upstream: [_; 3] = std::array::from_fn(|_| StopSource::new());
    let (own, apart) = (StopSource::new(), StopSource::new());
    fused(&upstream, &own, &mut || {
        own.request_stop();
    });
    assert!(own.stop_requested());
    assert!(!upstream.iter().any(StopSource::stop_requested));
    fused(&upstream, &apart, &mut || {});
    upstream[0].request_stop();
    assert!(!apart.stop_requested(), "independent once deregistered");
}

#[test]
fn stop_callback_panic_travels_to_with_callback_after_body() {
    let source = StopSource::new();
    let (count, other) = counter();
    let body_ended = AtomicBool::new(false);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        source.token().with_callback(other.clone(), || {
            source.token().with_callback(
                || panic_any("closure"),
                || {
                    source.token().with_callback(other, || {
                        assert!(source.request_stop(), "does not unwind");
                        assert_eq!(count.load(Ordering::Relaxed), 2, "the others run");
                    });
                    body_ended.store(true, Ordering::Relaxed);
                },
            );
        });
    }));
    assert_eq!(message(panicked.expect_err("the panic arrives")), "closure");
    assert!(body_ended.load(Ordering::Relaxed));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("payload");
    }
}

#[test]
fn with_callback_body_panic_wins_over_closure_panic() {
    let source = StopSource::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        source.token().with_callback(
            || panic_any(Bomb),
            || {
                source.request_stop();
                panic_any("body");
            },
        );
    }));
    assert_eq!(message(panicked.expect_err("the body panicked")), "body");
}

#[test]
fn with_callback_body_panic_deregisters() {
    let source = StopSource::new();
    let (count, callback) = counter();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        source.token().with_callback(callback, || panic_any("body"));
    }));
    assert_eq!(message(panicked.expect_err("the body panicked")), "body");
    source.request_stop();
    assert_eq!(count.load(Ordering::Relaxed), 0);
    assert_eq!(Arc::strong_count(&count), 1);
}

#[test]
fn stop_callback_panic_is_resumed_at_drop() {
    let source = StopSource::new();
    let mut callback = Box::pin(StopCallback::new(source.token(), || panic_any("closure")));
    callback.as_mut().register();
    assert!(source.request_stop());
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(callback)));
    assert_eq!(message(panicked.expect_err("the panic arrives")), "closure");
}

#[test]
fn stop_callback_panic_during_unwinding_is_dropped() {
    let source = StopSource::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut callback = pin!(StopCallback::new(source.token(), || panic_any(Bomb)));
        callback.as_mut().register();
        source.request_stop();
        panic_any("outer");
    }));
    assert_eq!(
        message(panicked.expect_err("the outer panic goes on")),
        "outer"
    );
}

#[test]
fn stop_callback_drop_by_its_own_callback_then_panic_is_contained() {
    let source: &'static StopSource = Box::leak(Box::default());
    let shelf: Shelf = Arc::default();
    let inside = Arc::clone(&shelf);
    let mut callback = Box::pin(StopCallback::new(source.token(), move || {
        let owner = inside.lock().expect("shelf").take();
        drop(owner);
        panic_any(Bomb);
    }));
    callback.as_mut().register();
    *shelf.lock().expect("shelf") = Some(callback);
    assert!(source.request_stop());
    assert!(shelf.lock().expect("shelf").is_none());
}

#[test]
fn stop_callback_leaked_then_source_moved_or_dropped_is_harmless() {
    let (count, callback) = counter();
    let leak = |source: &StopSource| {
        let mut leaked = Box::pin(StopCallback::new(source.token(), callback.clone()));
        leaked.as_mut().register();
        #[expect(clippy::mem_forget, reason = "what a user may do, and what is tested")]
        std::mem::forget(leaked);
    };

    let dropped = Box::new(StopSource::new());
    leak(&dropped);
    drop(dropped);

    let source = StopSource::new();
    leak(&source);
    leak(&source);
    let moved = Box::new(source);
    {
        // Two live neighbours in front of the leaked nodes, one leaving before the request.
        let (mut leaves, mut stays) = (
            pin!(Some(StopCallback::new(moved.token(), callback.clone()))),
            pin!(StopCallback::new(moved.token(), callback.clone())),
        );
        leaves.as_mut().as_pin_mut().expect("just built").register();
        stays.as_mut().register();
        leak(&moved);
        leaves.set(None);
        assert!(moved.request_stop());
        assert_eq!(
            count.load(Ordering::Relaxed),
            4,
            "three leaked ones and one that stayed"
        );
    }
}

#[test]
fn stop_callback_register_unchecked_runs_borrowed_closure() {
    let source = StopSource::new();
    let runs = AtomicUsize::new(0);
    let mut callback = pin!(StopCallback::new(source.token(), || {
        runs.fetch_add(1, Ordering::Relaxed);
    }));
    #[expect(unsafe_code, reason = "the unsafe form is tested here")]
    // SAFETY: `callback` was declared after `runs` and is pinned to this frame, so it is dropped
    //         before `runs` goes away.
    unsafe {
        callback.as_mut().register_unchecked();
    }
    source.request_stop();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn stop_callbacks_come_and_go_during_request() {
    for _ in 0..50 {
        let source = StopSource::new();
        let threads = 4;
        let started = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    started.fetch_add(1, Ordering::Relaxed);
                    loop {
                        // Read before the registration: then the callback must run inside it.
                        let before = source.stop_requested();
                        let runs = AtomicUsize::new(0);
                        let count = || {
                            runs.fetch_add(1, Ordering::Relaxed);
                        };
                        source.token().with_callback(count, || {});
                        let runs = runs.into_inner();
                        assert!(runs <= 1);
                        if before {
                            assert_eq!(runs, 1);
                            break;
                        }
                    }
                });
            }
            while started.load(Ordering::Relaxed) < threads {
                thread::yield_now();
            }
            assert!(source.request_stop());
        });
    }
}

#[test]
fn stop_types_debug_names_the_state() {
    static SOURCE: StopSource = StopSource::new();
    let callback = StopCallback::new(SOURCE.token(), || {});
    assert_eq!(
        format!("{SOURCE:?}"),
        "StopSource { stop_requested: false, .. }"
    );
    assert_eq!(
        format!("{:?}", StopToken::NEVER),
        "StopToken { stop_possible: false, stop_requested: false }"
    );
    assert!(format!("{callback:?}").starts_with("StopCallback { token: StopToken {"));
}
