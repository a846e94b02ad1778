//! What holds for every operation: it may be destroyed from within its completion; which senders may
//! travel to other threads.
//! Method: a receiver that frees the operation which completes it; assertions on types.
//!
//! # Safety
//! INV-OP-1: an operation is freed by its own receiver, once, when it is completed; not before.

#![expect(unsafe_code, reason = "frees operations from within their completion")]

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use sendio::adaptor::{MapErr, Then, UponStopped};
use sendio::factory::{Just, JustFrom, KnownValue, ReadEnv};
use sendio::{
    Either, Env, LocalSender, OperationState, Panic, Receiver, SendSender, Sender, SenderExt, just,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use crate::common::manual::manual;
use crate::mapping::Child;

/// How an operation is freed.
type Free = unsafe fn(*mut ());

/// An operation on the heap, and how to free it.
#[derive(Default)]
struct Place {
    op: Cell<Option<(*mut (), Free)>>,
    completions: Cell<u32>,
}

/// Frees the operation that completes it.
struct Freeing(Rc<Place>);

impl Freeing {
    fn complete(self) {
        self.0.completions.set(self.0.completions.get() + 1);
        if let Some((op, free)) = self.0.op.take() {
            // SAFETY: the operation completes, which is the last thing it does; freed once, since
            //         the place is empty now.
            unsafe { free(op) };
        }
    }
}

impl<V, E> Receiver<V, E> for Freeing {
    fn set_value(self, value: V) {
        drop(value);
        self.complete();
    }

    fn set_error(self, error: E) {
        drop(error);
        self.complete();
    }

    fn set_stopped(self) {
        self.complete();
    }

    fn set_panicked(self, payload: Panic) {
        drop(payload);
        self.complete();
    }

    fn env(&self) -> Env<'_> {
        Env::default()
    }
}

/// Frees an operation of type `O`.
///
/// # Safety
///
/// - `op` came from a box of an `O`, and nobody uses it any more.
unsafe fn free<O>(op: *mut ()) {
    // SAFETY: the contract.
    drop(unsafe { Box::from_raw(op.cast::<O>()) });
}

/// Starts `sender`, completes it, and says how often its receiver was completed.
fn completions_of<S: Sender>(sender: S, complete: impl FnOnce()) -> u32 {
    let place = Rc::new(Place::default());
    let op = Box::into_raw(Box::new(sender.connect(Freeing(Rc::clone(&place)))));
    place
        .op
        .set(Some((op.cast(), free::<S::Operation<Freeing>>)));
    // SAFETY: it stays on the heap until its receiver frees it; all is on this thread.
    unsafe { OperationState::start(op) };
    complete();
    assert!(place.op.take().is_none(), "completed");
    place.completions.get()
}

fn adapted(child: Child) -> impl Sender<Value = String, Error = u64> {
    let left: Either<Child, Child> = Either::Left(child);
    let mapped = left.then(|n| n.to_string()).err_into::<u64>();
    let boxed = mapped.upon_stopped(|| String::from("stopped")).boxed();
    boxed.materialize().dematerialize().map_err(|e| e + 1)
}

#[test]
fn protocol_operation_freed_by_its_completion_is_not_touched_again() {
    assert_eq!(completions_of(just(1).then(|n| n + 1).boxed(), || ()), 1);
    assert_eq!(
        completions_of(just(1).let_value(|n| just(n).boxed()).boxed(), || ()),
        1
    );
    let (child, handle) = manual();
    assert_eq!(completions_of(adapted(child), || handle.value(1)), 1);
    let (child, handle) = manual();
    assert_eq!(completions_of(adapted(child), || handle.error(1)), 1);
    let (child, handle) = manual();
    assert_eq!(completions_of(adapted(child), || handle.stopped()), 1);
    let (child, handle) = manual();
    assert_eq!(
        completions_of(adapted(child), || handle.panicked("three")),
        1
    );
}

type Number = Just<KnownValue<u8, Infallible>>;
type Bound = Just<KnownValue<Rc<u8>, Infallible>>;

assert_impl_all!(Number: SendSender, LocalSender);
assert_not_impl_any!(Bound: Send, SendSender);
assert_impl_all!(Bound: LocalSender);

// What a function makes does not rest in the operation; it only decides who may consume it.
assert_impl_all!(Then<Number, fn(u8) -> Rc<u8>>: Send, LocalSender);
assert_not_impl_any!(Then<Number, fn(u8) -> Rc<u8>>: SendSender);
assert_impl_all!(Then<Number, fn(u8) -> u16>: SendSender, LocalSender);
assert_not_impl_any!(Then<Bound, fn(Rc<u8>) -> u8>: Send, SendSender);
assert_not_impl_any!(MapErr<Number, fn(Infallible) -> Rc<u8>>: SendSender);
assert_impl_all!(UponStopped<Number, fn() -> u8>: SendSender);
assert_not_impl_any!(JustFrom<fn() -> Rc<u8>>: SendSender);
assert_impl_all!(ReadEnv<fn(Env<'_>) -> u8>: SendSender, LocalSender);
assert_impl_all!(Either<Number, Number>: SendSender, LocalSender);
assert_not_impl_any!(Either<Bound, Bound>: SendSender);
