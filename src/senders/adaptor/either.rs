//! `Either`: one of two senders, for branches.
//!
//! # Safety
//! INV-SND-1 and INV-SND-2 hold because the operation is that of the sender which was chosen.
//! INV-OP-1: the chosen operation is a field, so it stays in place with the whole.

#![expect(unsafe_code, reason = "implements Sender")]

use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// One of two senders with equal values and errors: what a branch returns whose arms are different
/// senders.
///
/// It completes as the sender in it does. Nest it for more than two arms, or use
/// [`boxed`](crate::SenderExt::boxed). It is a [`LocalSender`] when both are. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// fn checked_half(n: u32) -> impl Sender<Value = u32, Error = String> + Send {
///     if n.is_multiple_of(2) {
///         Either::Left(ready(n / 2))
///     } else {
///         Either::Right(just_error(format!("{n} is odd")))
///     }
/// }
///
/// assert_eq!(sync_wait(checked_half(6)), Ok(Some(3)));
/// assert_eq!(sync_wait(checked_half(7)), Err("7 is odd".to_owned()));
/// ```
#[doc(alias = "variant_sender")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub enum Either<A, B> {
    /// The first alternative.
    Left(A),
    /// The second alternative.
    Right(B),
}

// SAFETY: the operation is that of one of the two senders, which keep the promises; both are in the
//         type, so `Send` covers them.
unsafe impl<A: Sender, B: Sender<Value = A::Value, Error = A::Error>> Sender for Either<A, B> {
    type Value = A::Value;
    type Error = A::Error;
    type Operation<R: Receiver<A::Value, A::Error>> = EitherOp<A::Operation<R>, B::Operation<R>>;
    const STAYS: bool = A::STAYS && B::STAYS;
    const LOOKS: bool = A::LOOKS && B::LOOKS;

    #[inline]
    fn connect<R: Receiver<A::Value, A::Error>>(self, receiver: R) -> Self::Operation<R> {
        match self {
            Self::Left(sender) => EitherOp(Either::Left(sender.connect(receiver))),
            Self::Right(sender) => EitherOp(Either::Right(sender.connect(receiver))),
        }
    }
}

// SAFETY: both complete where they are started.
unsafe impl<A: LocalSender, B: LocalSender<Value = A::Value, Error = A::Error>> LocalSender
    for Either<A, B>
{
}

/// The operation of [`Either`].
#[derive(Debug)]
pub struct EitherOp<A, B>(Either<A, B>);

impl<A: OperationState, B: OperationState> OperationState for EitherOp<A, B> {
    const SPENT: bool = A::SPENT && B::SPENT;
    const ASIDE: bool = A::ASIDE || B::ASIDE;

    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: alive and not started (contract), so nobody else looks at it; the reference ends
        //         here, before the child is started.
        let chosen = match unsafe { &mut (*this).0 } {
            Either::Left(op) => Either::Left(&raw mut *op),
            Either::Right(op) => Either::Right(&raw mut *op),
        };
        match chosen {
            // SAFETY: our caller's promises about the whole hold for the field.
            Either::Left(op) => unsafe { OperationState::start(op) },
            // SAFETY: as above.
            Either::Right(op) => unsafe { OperationState::start(op) },
        }
    }

    #[inline(always)]
    unsafe fn start_aside(this: *mut Self) -> bool {
        // SAFETY: as in `start`.
        match unsafe { &mut (*this).0 } {
            // SAFETY: our caller's promises about the whole hold for the field; the reference ends
            //         with the conversion.
            Either::Left(op) => unsafe { OperationState::start_aside(&raw mut *op) },
            // SAFETY: as above.
            Either::Right(op) => unsafe { OperationState::start_aside(&raw mut *op) },
        }
    }

    #[inline]
    unsafe fn start_after_all(this: *mut Self) {
        // SAFETY: as in `start`: nobody else looks at it, since it was not started.
        let chosen = match unsafe { &mut (*this).0 } {
            Either::Left(op) => Either::Left(&raw mut *op),
            Either::Right(op) => Either::Right(&raw mut *op),
        };
        match chosen {
            // SAFETY: our caller's promises about the whole hold for the field.
            Either::Left(op) => unsafe { OperationState::start_after_all(op) },
            // SAFETY: as above.
            Either::Right(op) => unsafe { OperationState::start_after_all(op) },
        }
    }
}
