//! A `Vec` of senders as the children of a group: their number is known at run time.
//!
//! The slots are one allocation beside the operation, made when it is connected and freed before
//! the receiver is completed. An element is told in `launch` where the operation is, which stays
//! there from then on.
//!
//! # Safety
//! - INV-VEC-1: [`VecSlots`] owns the allocation behind its pointer, which is that of a boxed slice.
//!   It is a raw pointer since children point into the slice too while the operation is used.
//! - INV-VEC-2: the pointer is changed only when the slots are the caller's (INV-GRP-1 of `op`), so
//!   whoever has a count may read it.

#![expect(unsafe_code, reason = "raw slots, and unsafe traits")]

use std::fmt;
use std::ptr::{self, NonNull};

use super::Group;
use super::array::{abandon_each, clear_each};
use super::children::sealed::Sealed;
use super::children::{Child, Children, LocalChildren};
use super::slot::Slot;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::Panic;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// The place of a child of a `Vec`.
#[repr(C)] // The slot comes first: its address is the address of the element.
pub struct VecElement<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    slot: Slot<G, R, 0>,
    index: usize,
    /// Where in the operation the slots are owned; null until the child is launched.
    home: *mut VecSlots<G, R>,
}

impl<G, R> fmt::Debug for VecElement<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VecElement").finish_non_exhaustive()
    }
}

/// The places of the children of a `Vec`, on the heap.
pub struct VecSlots<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    elements: NonNull<[VecElement<G, R>]>,
}

impl<G, R> VecSlots<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    /// Takes the memory over.
    fn new(elements: Box<[VecElement<G, R>]>) -> Self {
        let elements = Box::into_raw(elements);
        Self {
            // SAFETY: a box is not null.
            elements: unsafe { NonNull::new_unchecked(elements) },
        }
    }

    /// The first element.
    #[inline(always)]
    const fn first(&self) -> *mut VecElement<G, R> {
        self.elements.as_ptr().cast()
    }

    /// Frees the memory; no child is left.
    ///
    /// # Safety
    ///
    /// - `this` points to live slots, which are the caller's and own nothing any more.
    unsafe fn free(this: *mut Self) {
        // SAFETY: the slots are the caller's, so nobody else reads the pointer (INV-VEC-2).
        drop(unsafe { ptr::replace(this, Self::new(Box::default())) });
    }
}

impl<G, R> Drop for VecSlots<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the box was given up in `new`, and is taken back once (INV-VEC-1). No child points
        //         into it: the operation aborts if it is dropped while one runs, and frees the
        //         memory only when all have completed. An element drops nothing by itself.
        drop(unsafe { Box::from_raw(self.elements.as_ptr()) });
    }
}

impl<G, R> fmt::Debug for VecSlots<G, R>
where
    G: Group<Children: Child<0>>,
    R: Receiver<G::Value, G::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VecSlots").finish_non_exhaustive()
    }
}

impl<S: Sender> Sealed for Vec<S> {}

// SAFETY: the loops reach each element once, in order.
unsafe impl<S: Sender> Children for Vec<S> {
    type Outcomes = Vec<Outcome<S::Value, S::Error>>;
    type Slots<G: Group<Children = Self>, R: Receiver<G::Value, G::Error>> = VecSlots<G, R>;

    #[inline]
    fn into_slots<G, R>(self) -> VecSlots<G, R>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        let element = |(index, sender)| VecElement {
            slot: Slot::new(sender),
            index,
            home: ptr::null_mut(),
        };
        VecSlots::new(self.into_iter().enumerate().map(element).collect())
    }

    #[inline(always)]
    unsafe fn count<G, R>(slots: *const VecSlots<G, R>) -> usize
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        // SAFETY: the slots are live (contract), and the pointer is not being changed (INV-VEC-2).
        unsafe { (*slots).elements.len() }
    }

    #[inline]
    unsafe fn launch<G, R>(slots: *mut VecSlots<G, R>)
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        // SAFETY: the slots are live (contract), and the pointer is not being changed (INV-VEC-2).
        let (first, count) = unsafe { ((*slots).first(), (*slots).elements.len()) };
        for element in 0..count {
            // SAFETY: within the allocation, which the caller's count keeps when the last child has
            //         completed; the element is this thread's until its child is started
            //         (INV-GRP-1). The rest is the same contract: by way of `home`, which comes from
            //         `slots`, the child may reach the whole operation.
            unsafe {
                let element = first.add(element);
                (*element).home = slots;
                Slot::<G, R, 0>::launch(element.cast());
            }
        }
    }

    #[inline]
    unsafe fn abandon<G, R>(slots: *mut VecSlots<G, R>) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        // SAFETY: the slots are the caller's and pending (contract); afterwards they own nothing.
        unsafe {
            let (first, count) = ((*slots).first(), (*slots).elements.len());
            let panicked = abandon_each::<G, R, VecElement<G, R>>(first, count);
            VecSlots::free(slots);
            panicked
        }
    }

    #[inline]
    unsafe fn clear<G, R>(slots: *mut VecSlots<G, R>) -> Option<Panic>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        // SAFETY: the slots are the caller's and every child has completed (contract); afterwards
        //         they own nothing, and no child comes back to its slot (INV-GRP-2).
        unsafe {
            let (first, count) = ((*slots).first(), (*slots).elements.len());
            let panicked = clear_each::<G, R, VecElement<G, R>>(first, count);
            VecSlots::free(slots);
            panicked
        }
    }
}

// SAFETY: `locate` gives the pointer that `launch` noted.
unsafe impl<S: Sender> Child<0> for Vec<S> {
    type Sender = S;

    #[inline]
    unsafe fn slot<G, R>(slots: *mut VecSlots<G, R>, element: usize) -> *mut Slot<G, R, 0>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        // SAFETY: the slots are live (contract).
        let (first, count) = unsafe { ((*slots).first(), (*slots).elements.len()) };
        assert!(element < count, "there is no child number {element}");
        // SAFETY: within the allocation (the assertion).
        unsafe { first.add(element).cast() }
    }

    #[inline]
    unsafe fn locate<G, R>(slot: *mut Slot<G, R, 0>) -> (*mut VecSlots<G, R>, usize)
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        let element: *mut VecElement<G, R> = slot.cast();
        // SAFETY: the slot is the first field of a live element (contract), launched, since only
        //         then a child has a pointer to its slot.
        unsafe { ((*element).home, (*element).index) }
    }
}

// SAFETY: every element is one.
unsafe impl<S: LocalSender> LocalChildren for Vec<S> {}
