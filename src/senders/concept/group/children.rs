//! What may be the children of a group: tuples of senders here, arrays and vectors in `array` and
//! `vec`.
//!
//! # Safety
//! The traits are unsafe to implement, and sealed: `GroupOp` relies on `launch`, `abandon` and `clear`
//! reaching every slot, and on `locate` inverting the layout (INV-GRP-1).

#![expect(unsafe_code, reason = "raw slots, and unsafe traits")]

use std::mem::offset_of;

use super::Group;
use super::slot::Slot;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, discard_payload};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

pub(super) mod sealed {
    /// Keeps the set of implementors closed.
    pub trait Sealed {}
}

/// Senders that run together: a tuple of up to twelve, an array, or a `Vec`.
///
/// # Safety
///
/// It cannot be implemented outside this crate. `launch`, `abandon` and `clear` treat each slot once, in order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no group of senders",
    note = "a tuple of up to twelve senders, an array or a `Vec` of senders is one"
)]
pub unsafe trait Children: Sized + sealed::Sealed {
    /// What rests in the operation when the children have completed.
    type Outcomes;
    /// The places of the children in the operation.
    type Slots<G: Group<Children = Self>, R: Receiver<G::Value, G::Error>>;

    /// Puts the senders into slots.
    fn into_slots<G, R>(self) -> Self::Slots<G, R>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;

    /// How many they are: a constant, but for a `Vec`.
    ///
    /// # Safety
    ///
    /// - `slots` points to live slots, and was not given to `abandon` or `clear`.
    unsafe fn count<G, R>(slots: *const Self::Slots<G, R>) -> usize
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;

    /// Connects and starts every child.
    ///
    /// # Safety
    ///
    /// - The slots are those of an operation that is being started, with pending senders; the
    ///   pointer may be used for the whole operation, and the caller holds a count of it.
    unsafe fn launch<G, R>(slots: *mut Self::Slots<G, R>)
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;

    /// Drops the senders in the slots; the first panic of that is returned.
    ///
    /// # Safety
    ///
    /// - The slots are the caller's and hold pending senders, and are not used afterwards.
    unsafe fn abandon<G, R>(slots: *mut Self::Slots<G, R>) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;

    /// Drops the outcomes that are left in the slots; the first panic of that is returned.
    ///
    /// # Safety
    ///
    /// - The slots are the caller's, and every child has completed.
    unsafe fn clear<G, R>(slots: *mut Self::Slots<G, R>) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;
}

/// That children have a kind number `I`: a tuple has one kind for each member, an array
/// or a `Vec` has kind 0.
///
/// # Safety
///
/// It cannot be implemented outside this crate. `locate` is the inverse of `slot`.
pub unsafe trait Child<const I: usize>: Children {
    /// The sender of this kind.
    type Sender: Sender;

    /// The slot of the child of this kind, in an array or `Vec` of number `element`.
    ///
    /// # Safety
    ///
    /// - `slots` points to live slots.
    unsafe fn slot<G, R>(slots: *mut Self::Slots<G, R>, element: usize) -> *mut Slot<G, R, I>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;

    /// The slots among which `slot` is, and the index of its child.
    ///
    /// # Safety
    ///
    /// - `slot` is one of live slots, and may be used for all of them.
    unsafe fn locate<G, R>(slot: *mut Slot<G, R, I>) -> (*mut Self::Slots<G, R>, usize)
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;
}

/// Children that all complete where they are started.
///
/// # Safety
///
/// It cannot be implemented outside this crate. Every sender is a [`LocalSender`].
#[diagnostic::on_unimplemented(
    message = "not every sender in `{Self}` is a local sender",
    note = "bring remote work home with `.continues_on(ctx.local())`"
)]
pub unsafe trait LocalChildren: Children {}

/// Keeps the first of two panics.
#[inline(always)]
pub(super) fn first_of(first: Option<Panic>, second: Option<Panic>) -> Option<Panic> {
    match (first, second) {
        (None, second) => second,
        (first, None) => first,
        (first, Some(second)) => {
            discard_payload(second);
            first
        }
    }
}

macro_rules! tuples {
    ($(($($S:ident $i:tt),*);)+) => {$(
        impl<$($S: Sender),*> sealed::Sealed for ($($S,)*) {}

        // SAFETY: each member is named once, in order.
        unsafe impl<$($S: Sender),*> Children for ($($S,)*) {
            type Outcomes = ($(Outcome<$S::Value, $S::Error>,)*);
            type Slots<G: Group<Children = Self>, R: Receiver<G::Value, G::Error>> =
                ($(Slot<G, R, $i>,)*);

            #[inline]
            fn into_slots<G, R>(self) -> Self::Slots<G, R>
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                ($(Slot::new(self.$i),)*)
            }

            #[inline(always)]
            unsafe fn count<G, R>(_: *const Self::Slots<G, R>) -> usize
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                const { [$($i as usize),*].len() }
            }

            #[inline(always)]
            unsafe fn launch<G, R>(slots: *mut Self::Slots<G, R>)
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                // SAFETY: the contract is the same; a projection keeps what the pointer may reach.
                unsafe { $(Slot::launch(&raw mut (*slots).$i);)* }
            }

            #[inline(always)]
            unsafe fn abandon<G, R>(slots: *mut Self::Slots<G, R>) -> Option<Panic>
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                let panicked = None;
                $(
                    // SAFETY: the contract is the same.
                    let next = unsafe { Slot::abandon(&raw mut (*slots).$i) };
                    let panicked = first_of(panicked, next);
                )*
                panicked
            }

            #[inline(always)]
            unsafe fn clear<G, R>(slots: *mut Self::Slots<G, R>) -> Option<Panic>
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                let panicked = None;
                $(
                    // SAFETY: the contract is the same.
                    let next = unsafe { Slot::clear(&raw mut (*slots).$i) };
                    let panicked = first_of(panicked, next);
                )*
                panicked
            }
        }

        // SAFETY: every member is one.
        unsafe impl<$($S: LocalSender),*> LocalChildren for ($($S,)*) {}

        tuples!(@each ($($S),*) $($S $i),*);
    )+};
    (@each $all:tt $($S:ident $i:tt),*) => { $(tuples!(@child $all $S $i);)* };
    (@child ($($S:ident),*) $Own:ident $i:tt) => {
        // SAFETY: the two functions project the same field, forth and back.
        unsafe impl<$($S: Sender),*> Child<$i> for ($($S,)*) {
            type Sender = $Own;

            #[inline(always)]
            unsafe fn slot<G, R>(slots: *mut Self::Slots<G, R>, _: usize) -> *mut Slot<G, R, $i>
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                // SAFETY: the slots are live (contract).
                unsafe { &raw mut (*slots).$i }
            }

            #[inline(always)]
            unsafe fn locate<G, R>(slot: *mut Slot<G, R, $i>) -> (*mut Self::Slots<G, R>, usize)
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                // SAFETY: the slot is this field of live slots (contract).
                (unsafe { slot.byte_sub(offset_of!(Self::Slots<G, R>, $i)) }.cast(), $i)
            }
        }
    };
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8, L 9);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8, L 9, M 10);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8, L 9, M 10, N 11);
}

impl sealed::Sealed for () {}

// SAFETY: there is no slot.
unsafe impl Children for () {
    type Outcomes = ();
    type Slots<G: Group<Children = Self>, R: Receiver<G::Value, G::Error>> = ();

    #[inline]
    fn into_slots<G, R>(self)
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
    }

    #[inline(always)]
    unsafe fn count<G, R>(_: *const ()) -> usize
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        0
    }

    #[inline]
    unsafe fn launch<G, R>(_: *mut ())
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
    }

    #[inline]
    unsafe fn abandon<G, R>(_: *mut ()) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        None
    }

    #[inline]
    unsafe fn clear<G, R>(_: *mut ()) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        None
    }
}

// SAFETY: there is no sender.
unsafe impl LocalChildren for () {}
