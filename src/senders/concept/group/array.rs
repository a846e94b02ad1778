//! An array of senders as the children of a group, and the loops over elements in general.
//!
//! # Safety
//! The elements are reached by raw pointers into the operation; who owns one, and how long it lives,
//! is said by INV-GRP-1 and INV-GRP-2 of `op`.

#![expect(unsafe_code, reason = "raw slots, and unsafe traits")]

use std::fmt;

use super::Group;
use super::children::sealed::Sealed;
use super::children::{Child, Children, LocalChildren, first_of};
use super::slot::Slot;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::Panic;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// The place of an array's child, which knows its own index.
#[repr(C)] // The slot comes first: its address is the address of the element.
pub struct Element<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    slot: Slot<G, R, 0>,
    index: usize,
}

impl<G, R> fmt::Debug for Element<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element").finish_non_exhaustive()
    }
}

/// Drops the senders in `count` elements of type `T`; the first panic of that is returned.
///
/// # Safety
///
/// - `first` points to that many live elements, each of which begins with a `Slot<G, R, 0>`.
/// - The slots are the caller's and hold pending senders, and are not used afterwards.
#[inline(always)]
pub(super) unsafe fn abandon_each<G, R, T>(first: *mut T, count: usize) -> Option<Panic>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    let mut panicked = None;
    for element in 0..count {
        // SAFETY: one of the elements, at whose address its slot is; the rest is the same contract.
        let next = unsafe { Slot::<G, R, 0>::abandon(first.add(element).cast()) };
        panicked = first_of(panicked, next);
    }
    panicked
}

/// Drops the outcomes that are left in `count` elements of type `T`; the first panic of that is
/// returned.
///
/// # Safety
///
/// - `first` points to that many live elements, each of which begins with a `Slot<G, R, 0>`.
/// - The slots are the caller's, and every child has completed.
#[inline(always)]
pub(super) unsafe fn clear_each<G, R, T>(first: *mut T, count: usize) -> Option<Panic>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    let mut panicked = None;
    for element in 0..count {
        // SAFETY: one of the elements, at whose address its slot is; the rest is the same contract.
        let next = unsafe { Slot::<G, R, 0>::clear(first.add(element).cast()) };
        panicked = first_of(panicked, next);
    }
    panicked
}

impl<S: Sender, const N: usize> Sealed for [S; N] {}

// SAFETY: the loops reach each element once, in order.
unsafe impl<S: Sender, const N: usize> Children for [S; N] {
    type Outcomes = [Outcome<S::Value, S::Error>; N];
    type Slots<G: Group<Children = Self>, R: Receiver<G::Value, G::Error>> = [Element<G, R>; N];

    #[inline]
    fn into_slots<G, R>(self) -> Self::Slots<G, R>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        let mut index = 0;
        self.map(|sender| {
            let element = Element {
                slot: Slot::new(sender),
                index,
            };
            index += 1;
            element
        })
    }

    #[inline(always)]
    unsafe fn count<G, R>(_: *const Self::Slots<G, R>) -> usize
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        N
    }

    #[inline]
    unsafe fn launch<G, R>(slots: *mut Self::Slots<G, R>)
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        let first: *mut Element<G, R> = slots.cast();
        for element in 0..N {
            // SAFETY: within the array; the rest is the same contract. The caller's count keeps the
            //         array alive when the last child has completed.
            unsafe { Slot::<G, R, 0>::launch(first.add(element).cast()) };
        }
    }

    #[inline]
    unsafe fn abandon<G, R>(slots: *mut Self::Slots<G, R>) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        // SAFETY: the array is N elements; the rest is the same contract.
        unsafe { abandon_each::<G, R, Element<G, R>>(slots.cast(), N) }
    }

    #[inline]
    unsafe fn clear<G, R>(slots: *mut Self::Slots<G, R>) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        // SAFETY: the array is N elements; the rest is the same contract.
        unsafe { clear_each::<G, R, Element<G, R>>(slots.cast(), N) }
    }
}

// SAFETY: `locate` goes back by the number of elements that `into_slots` noted.
unsafe impl<S: Sender, const N: usize> Child<0> for [S; N] {
    type Sender = S;

    #[inline]
    unsafe fn slot<G, R>(slots: *mut Self::Slots<G, R>, element: usize) -> *mut Slot<G, R, 0>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        assert!(element < N, "there is no child number {element}");
        // SAFETY: within live slots (the assertion and the contract).
        unsafe { slots.cast::<Element<G, R>>().add(element).cast() }
    }

    #[inline]
    unsafe fn locate<G, R>(slot: *mut Slot<G, R, 0>) -> (*mut Self::Slots<G, R>, usize)
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        let element: *mut Element<G, R> = slot.cast();
        // SAFETY: the slot is the first field of a live element, which that many precede in the
        //         array (contract).
        unsafe {
            let index = (*element).index;
            (element.sub(index).cast(), index)
        }
    }
}

// SAFETY: every element is one.
unsafe impl<S: LocalSender, const N: usize> LocalChildren for [S; N] {}
