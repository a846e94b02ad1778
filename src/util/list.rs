//! An intrusive doubly linked list: O(1) removal from the middle, no allocation.
//!
//! The lists of a context (operations in flight, operations that wait for room, stop requests that
//! wait to be sent) are made of it.
//!
//! # Threads
//! None: one thread.
//!
//! # Safety
//! INV-LIST-1: linked links stay in place and alive until they are removed; links are in one list at
//! a time, and so does the list that they are in.

#![expect(unsafe_code, reason = "links live in operation states")]

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::ptr::{self, NonNull};

/// The links of one element, and of the list itself: a ring that begins and ends with the list.
#[derive(Debug)]
pub(crate) struct Links {
    prev: Cell<*const Self>,
    next: Cell<*const Self>,
}

impl Links {
    /// Links that are in no list.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            prev: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
        }
    }
}

/// The list: first in, first out, with removal anywhere, which needs no list.
///
/// It is part of its own ring, so it is made empty where it stays: [`List::init`].
#[derive(Debug)]
pub(crate) struct List {
    ends: Links,
    _pinned: PhantomPinned,
}

impl List {
    /// A list that may not be used before [`init`](List::init).
    pub(crate) const fn new() -> Self {
        Self {
            ends: Links::new(),
            _pinned: PhantomPinned,
        }
    }

    /// Makes the list empty.
    ///
    /// # Safety
    ///
    /// - The list stays at this address for as long as it is used.
    pub(crate) unsafe fn init(&self) {
        self.ends.prev.set(&raw const self.ends);
        self.ends.next.set(&raw const self.ends);
    }

    /// Whether there is no element.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        ptr::eq(self.ends.next.get(), &raw const self.ends)
    }

    /// The first element, with the provenance with which it was put in.
    #[inline]
    pub(crate) fn first(&self) -> Option<NonNull<Links>> {
        if self.is_empty() {
            return None;
        }
        NonNull::new(self.ends.next.get().cast_mut())
    }

    /// The element after `links`.
    ///
    /// # Safety
    ///
    /// - `links` is in this list.
    pub(crate) unsafe fn after(&self, links: NonNull<Links>) -> Option<NonNull<Links>> {
        // SAFETY: linked, so alive (INV-LIST-1).
        let next = unsafe { (*links.as_ptr()).next.get() };
        if ptr::eq(next, &raw const self.ends) {
            return None;
        }
        NonNull::new(next.cast_mut())
    }

    /// How many elements there are, by counting them.
    pub(crate) fn count(&self) -> usize {
        let mut count = 0;
        let mut at = self.ends.next.get();
        while !ptr::eq(at, &raw const self.ends) {
            count += 1;
            // SAFETY: linked elements are alive (INV-LIST-1).
            at = unsafe { (*at).next.get() };
        }
        count
    }

    /// Puts an element at the end.
    ///
    /// # Safety
    ///
    /// - The list was made empty once: [`init`](List::init).
    /// - `links` points to live links that are in no list, and keeps INV-LIST-1 from now on. What it
    ///   pointed to before does not matter, so they need not be initialised.
    #[inline]
    pub(crate) unsafe fn push_back(&self, links: NonNull<Links>) {
        let last = self.ends.prev.get();
        debug_assert!(!last.is_null(), "a list is made empty before it is used");
        // SAFETY: the new links are alive (contract), the last ones are alive while linked
        //         (INV-LIST-1), or those of the list itself.
        unsafe {
            links.write(Links {
                prev: Cell::new(last),
                next: Cell::new(&raw const self.ends),
            });
            (*last).next.set(links.as_ptr());
        }
        self.ends.prev.set(links.as_ptr());
    }

    /// Takes an element out of its list.
    ///
    /// # Safety
    ///
    /// - `links` is in a list of this thread.
    #[inline]
    pub(crate) unsafe fn remove(links: NonNull<Links>) {
        // SAFETY: it and its neighbours are linked, so alive (INV-LIST-1); the list itself is one of
        //         them at the ends.
        unsafe {
            let (prev, next) = ((*links.as_ptr()).prev.get(), (*links.as_ptr()).next.get());
            (*prev).next.set(next);
            (*next).prev.set(prev);
        }
    }

    /// Takes the first element out.
    #[inline]
    pub(crate) fn pop_front(&self) -> Option<NonNull<Links>> {
        let first = self.first()?;
        // SAFETY: the first element is in this list.
        unsafe { Self::remove(first) };
        Some(first)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn drain(list: &List) -> Vec<usize> {
        std::iter::from_fn(|| list.pop_front())
            .map(|links| links.addr().get())
            .collect()
    }

    proptest! {
        #[test]
        fn prop_list_behaves_like_a_deque(
            steps in proptest::collection::vec(0_usize..16, 0..200)
        ) {
            let elements: Vec<Links> = (0..16).map(|_| Links::new()).collect();
            let list = List::new();
            // SAFETY: it stays here until the end of the test.
            unsafe { list.init() };
            let mut model = VecDeque::new();
            for index in steps {
                let links = NonNull::from(&elements[index]);
                // SAFETY: the elements outlive the list; membership follows the model.
                unsafe {
                    if let Some(at) = model.iter().position(|&i| i == index) {
                        model.remove(at);
                        List::remove(links);
                    } else {
                        model.push_back(index);
                        list.push_back(links);
                    }
                }
                prop_assert_eq!(list.count(), model.len());
                prop_assert_eq!(list.is_empty(), model.is_empty());
            }
            let expected: Vec<usize> =
                model.iter().map(|&i| NonNull::from(&elements[i]).addr().get()).collect();
            prop_assert_eq!(drain(&list), expected);
        }
    }
}
