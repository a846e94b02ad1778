//! `let_ref`: keeps a value in the operation and runs a sender that borrows it.
//!
//! # Flow
//!
//! ```text
//! start ─> f(&value) ─> connect, start ─> child completes ─> drop child ─> drop value ─> set_*
//! ```
//!
//! # States
//!
//! | stage     | lives                      | leaves by                             |
//! |-----------|----------------------------|---------------------------------------|
//! | `Pending` | value, function, receiver  | `start`                               |
//! | `Running` | value, receiver, child     | the child's completion                |
//! | `Over`    | nothing                    | never                                 |
//!
//! # Safety
//!
//! - INV-OP-1: from `start` to completion the operation stays at its address, so the value does.
//! - INV-LEND-1: from the call of the function until the child was destroyed, the value is reached
//!   through the shared reference that was lent, and by nobody else.
//! - INV-LEND-2: the function works for a borrow of any length, and neither its sender's value nor
//!   its error can hold one. So it may be handed a reference that is *called* `'v`, longer than the
//!   value will live: nothing that outlives the child can know it.

#![expect(
    unsafe_code,
    reason = "the child borrows from the operation that holds it"
)]

use std::fmt;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::{ManuallyDrop, MaybeUninit};

use crate::senders::concept::env::Env;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// A function that makes a sender of a borrowed argument: `fn session(s: &Stream) -> impl Sender`.
///
/// `F: for<'x> Lend<&'x T>` is what [`let_ref`] asks for. Every function that returns a sender is
/// one; there is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make a sender of every `{A}`",
    note = "pass a named function, `fn f(value: &T) -> impl Sender<Value = V, Error = E>`",
    note = "a closure works if its sender has one type for all borrows, as `AnySender<'_, V, E>` has"
)]
pub trait Lend<A>: FnOnce(A) -> Self::Out {
    /// The sender it makes.
    type Out: Sender;
}

impl<A, F, S> Lend<A> for F
where
    F: FnOnce(A) -> S,
    S: Sender,
{
    type Out = S;
}

/// What `F` makes of a borrowed `T`.
type Lent<'v, T, F> = <F as Lend<&'v T>>::Out;

/// The sender of [`let_ref`]. `'v` is any lifetime during which `T` is valid.
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct LetRef<'v, T, F: Lend<&'v T>> {
    value: T,
    f: F,
    /// It rests in the operation, so it decides about `Send` too.
    _child: PhantomData<Lent<'v, T, F>>,
}

/// A sender factory that keeps `value` in the operation and runs the sender that `f` makes of a
/// reference to it.
///
/// Why one reaches for it: many operations on one owned resource, without an `Arc`.
///
/// # Completions
/// Those of `f`'s sender. `value` is dropped after that sender's operation was destroyed, and before
/// the completion.
///
/// # Errors
/// A panic of `f`, or of a drop, travels to the consumer.
///
/// # Cancellation
/// `f` is called even if stop was requested; its sender sees the receiver's stop token and decides.
///
/// # Threads
/// `f` runs, and its sender starts, where this is started. It is `Send` only if `T` is `Send + Sync`,
/// as far as `f`'s sender holds the reference. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use std::convert::Infallible;
///
/// fn length(text: &String) -> impl Sender<Value = usize, Error = Infallible> + '_ {
///     just(()).then(|()| text.len())
/// }
///
/// assert_eq!(sync_wait(let_ref(String::from("four"), length)), Ok(Some(4)));
/// ```
///
/// Many reads of a file that was just opened:
///
/// ```
/// use sendio::{FileHandle, prelude::*};
/// use std::io;
/// use std::ops::ControlFlow::{Break, Continue};
///
/// fn count_lines(file: &FileHandle<IoScheduler<'_>>) -> impl Sender<Value = usize, Error = io::Error> {
///     repeat_with((vec![0; 64], 0, 0), move |(buffer, offset, lines)| {
///         file.read_at(buffer, offset).then(move |(n, buffer)| {
///             let lines = lines + buffer[..n].iter().filter(|&&byte| byte == b'\n').count();
///             if n == 0 { Break(lines) } else { Continue((buffer, offset + n as u64, lines)) }
///         })
///     })
/// }
///
/// let ctx = IoContext::new()?;
/// let open = ctx.scheduler().open("Cargo.toml", OpenOptions::new().read(true));
/// let lines = ctx.block_on(open.let_value(|file| let_ref(file, count_lines)))?.unwrap();
/// assert!(lines > 10);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The reference cannot leave:
///
/// ```compile_fail
/// use sendio::prelude::*;
///
/// fn leak(text: &String) -> impl Sender<Value = &String, Error = std::convert::Infallible> {
///     just(text)
/// }
///
/// let leaked = sync_wait(let_ref(String::from("gone"), leak));
/// ```
///
/// # See also
/// [`SenderExt::let_value`](crate::SenderExt::let_value), whose closure takes its value.
#[inline]
pub const fn let_ref<'v, T, F, V, E>(value: T, f: F) -> LetRef<'v, T, F>
where
    F: for<'x> Lend<&'x T, Out: Sender<Value = V, Error = E>>,
{
    LetRef {
        value,
        f,
        _child: PhantomData,
    }
}

// SAFETY: the operation below completes once, after value and child are gone, and lets nothing
//         unwind. Value and function are fields, the child is named by `_child`.
unsafe impl<'v, T, F: Lend<&'v T>> Sender for LetRef<'v, T, F> {
    type Value = <F::Out as Sender>::Value;
    type Error = <F::Out as Sender>::Error;
    type Operation<R: Receiver<Self::Value, Self::Error>> = LetRefOp<'v, T, F, R>;

    #[inline]
    fn connect<R: Receiver<Self::Value, Self::Error>>(self, receiver: R) -> Self::Operation<R> {
        LetRefOp {
            child: MaybeUninit::uninit(),
            value: ManuallyDrop::new(self.value),
            f: ManuallyDrop::new(self.f),
            receiver: ManuallyDrop::new(receiver),
            stage: Stage::Pending,
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: the child completes where it is started, and the whole right after it, there.
unsafe impl<'v, T, F: Lend<&'v T, Out: LocalSender>> LocalSender for LetRef<'v, T, F> {}

impl<'v, T: Clone, F: Lend<&'v T> + Clone> Clone for LetRef<'v, T, F> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            f: self.f.clone(),
            _child: PhantomData,
        }
    }
}

impl<'v, T, F: Lend<&'v T>> fmt::Debug for LetRef<'v, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetRef").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Running,
    Over,
}

/// The value type of what `F` makes.
type LentValue<'v, T, F> = <Lent<'v, T, F> as Sender>::Value;
/// The error type of what `F` makes.
type LentError<'v, T, F> = <Lent<'v, T, F> as Sender>::Error;
/// The operation of what `F` makes.
type Child<'v, T, F, R> = <Lent<'v, T, F> as Sender>::Operation<LetRefReceiver<'v, T, F, R>>;

/// The operation of [`LetRef`].
pub struct LetRefOp<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    child: MaybeUninit<Child<'v, T, F, R>>,
    value: ManuallyDrop<T>,
    f: ManuallyDrop<F>,
    receiver: ManuallyDrop<R>,
    stage: Stage,
    _pinned: PhantomPinned,
}

impl<'v, T, F, R> LetRefOp<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    /// Drops the value and completes the receiver; the operation may be gone afterwards.
    ///
    /// # Safety
    ///
    /// - `this` is started and not `Over`, no child exists, and this thread has the operation.
    unsafe fn complete(
        this: *mut Self,
        outcome: Outcome<LentValue<'v, T, F>, LentError<'v, T, F>>,
    ) {
        // SAFETY: nothing borrows the value any more (INV-LEND-1). Value and receiver are whole and
        //         taken once, since `Over` is never left.
        unsafe {
            (*this).stage = Stage::Over;
            let value = &raw mut (*this).value;
            let dropped = catch(|| ManuallyDrop::drop(&mut *value));
            let receiver = ManuallyDrop::take(&mut (*this).receiver);
            match dropped {
                Ok(()) => outcome.deliver(receiver),
                Err(payload) => outcome.replaced_by(payload).deliver(receiver),
            }
        }
    }

    /// The child has completed with `outcome`.
    ///
    /// # Safety
    ///
    /// - Called from the completion of the child of the running operation `this`, once.
    #[inline(always)]
    unsafe fn child_completed(
        this: *mut Self,
        outcome: Outcome<LentValue<'v, T, F>, LentError<'v, T, F>>,
    ) {
        // SAFETY: the child has completed, so it may be destroyed, inside its own last call.
        unsafe {
            let child: *mut Child<'v, T, F, R> = (&raw mut (*this).child).cast();
            let outcome = match catch(|| child.drop_in_place()) {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            };
            Self::complete(this, outcome);
        }
    }
}

impl<'v, T, F, R> OperationState for LetRefOp<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and in place for good (INV-OP-1): function and
        //         value are whole. The value is lent from here until the child was destroyed
        //         (INV-LEND-1), under a longer name that nobody can use (INV-LEND-2). The sender is
        //         held by this frame, which borrows nothing of the operation meanwhile. Nothing is
        //         touched after the start of the child.
        unsafe {
            let f = ManuallyDrop::take(&mut (*this).f);
            let value: *const T = (&raw const (*this).value).cast();
            let connected = catch(|| f(&*value).connect(LetRefReceiver { parent: this }));
            match connected {
                Ok(op) => {
                    let place: *mut Child<'v, T, F, R> = (&raw mut (*this).child).cast();
                    place.write(op);
                    (*this).stage = Stage::Running;
                    OperationState::start(place);
                }
                Err(payload) => Self::complete(this, Outcome::Panicked(payload)),
            }
        }
    }
}

impl<'v, T, F, R> Drop for LetRefOp<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    fn drop(&mut self) {
        // SAFETY: `stage` says what lives. A child that is dropped before it completed is the broken
        //         contract of `start`, and its leaf aborts; it goes before the value it borrows.
        unsafe {
            match self.stage {
                Stage::Over => return,
                Stage::Pending => ManuallyDrop::drop(&mut self.f),
                Stage::Running => self.child.assume_init_drop(),
            }
            ManuallyDrop::drop(&mut self.value);
            ManuallyDrop::drop(&mut self.receiver);
        }
    }
}

impl<'v, T, F, R> fmt::Debug for LetRefOp<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetRefOp").finish_non_exhaustive()
    }
}

/// The receiver of [`LetRef`]'s child.
pub struct LetRefReceiver<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    parent: *mut LetRefOp<'v, T, F, R>,
}

impl<'v, T, F, R> Receiver<LentValue<'v, T, F>, LentError<'v, T, F>> for LetRefReceiver<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    #[inline]
    fn set_value(self, value: LentValue<'v, T, F>) {
        // SAFETY: the one child of a running operation completes once; the parent stays in place
        //         while it runs (INV-OP-1).
        unsafe { LetRefOp::child_completed(self.parent, Outcome::Value(value)) }
    }

    #[inline]
    fn set_error(self, error: LentError<'v, T, F>) {
        // SAFETY: as in `set_value`.
        unsafe { LetRefOp::child_completed(self.parent, Outcome::Error(error)) }
    }

    #[inline]
    fn set_stopped(self) {
        // SAFETY: as in `set_value`.
        unsafe { LetRefOp::child_completed(self.parent, Outcome::Stopped) }
    }

    #[inline]
    fn set_panicked(self, payload: Panic) {
        // SAFETY: as in `set_value`.
        unsafe { LetRefOp::child_completed(self.parent, Outcome::Panicked(payload)) }
    }

    #[inline]
    fn env(&self) -> Env<'_> {
        // SAFETY: the parent is alive while a child exists, and its receiver was not completed.
        unsafe {
            let receiver: *const R = (&raw const (*self.parent).receiver).cast();
            (*receiver).env()
        }
    }
}

impl<'v, T, F, R> fmt::Debug for LetRefReceiver<'v, T, F, R>
where
    F: Lend<&'v T>,
    R: Receiver<LentValue<'v, T, F>, LentError<'v, T, F>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetRefReceiver").finish_non_exhaustive()
    }
}
