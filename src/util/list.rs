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
//! a time, and are removed from that list.

#![expect(unsafe_code, reason = "links live in operation states")]

use std::cell::Cell;
use std::ptr::{self, NonNull};

/// The links of one element.
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

/// The list: first in, first out, with removal anywhere.
#[derive(Debug)]
pub(crate) struct List {
    head: Cell<*const Links>,
    tail: Cell<*const Links>,
}

impl List {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self {
            head: Cell::new(ptr::null()),
            tail: Cell::new(ptr::null()),
        }
    }

    /// Whether there is no element.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// The first element, with the provenance with which it was put in.
    #[inline]
    pub(crate) fn first(&self) -> Option<NonNull<Links>> {
        NonNull::new(self.head.get().cast_mut())
    }

    /// How many elements there are, by counting them.
    pub(crate) fn count(&self) -> usize {
        let mut count = 0;
        let mut at = self.head.get();
        // SAFETY: linked elements are alive (INV-LIST-1).
        while let Some(links) = unsafe { at.as_ref() } {
            count += 1;
            at = links.next.get();
        }
        count
    }

    /// Puts an element at the end.
    ///
    /// # Safety
    ///
    /// - `links` points to live links that are in no list, and keeps INV-LIST-1 from now on.
    #[inline]
    pub(crate) unsafe fn push_back(&self, links: NonNull<Links>) {
        let tail = self.tail.get();
        // SAFETY: the new links are alive (contract), the tail is alive while linked (INV-LIST-1).
        unsafe {
            (*links.as_ptr()).prev.set(tail);
            (*links.as_ptr()).next.set(ptr::null());
            match tail.as_ref() {
                Some(tail) => tail.next.set(links.as_ptr()),
                None => self.head.set(links.as_ptr()),
            }
        }
        self.tail.set(links.as_ptr());
    }

    /// Takes an element out.
    ///
    /// # Safety
    ///
    /// - `links` is in this list.
    #[inline]
    pub(crate) unsafe fn remove(&self, links: NonNull<Links>) {
        // SAFETY: it and its neighbours are linked, so alive (INV-LIST-1).
        unsafe {
            let (prev, next) = ((*links.as_ptr()).prev.get(), (*links.as_ptr()).next.get());
            match prev.as_ref() {
                Some(prev) => prev.next.set(next),
                None => self.head.set(next),
            }
            match next.as_ref() {
                Some(next) => next.prev.set(prev),
                None => self.tail.set(prev),
            }
        }
    }

    /// Takes the first element out.
    #[inline]
    pub(crate) fn pop_front(&self) -> Option<NonNull<Links>> {
        let first = self.first()?;
        // SAFETY: the first element is in this list.
        unsafe { self.remove(first) };
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
            let mut model = VecDeque::new();
            for index in steps {
                let links = NonNull::from(&elements[index]);
                // SAFETY: the elements outlive the list; membership follows the model.
                unsafe {
                    if let Some(at) = model.iter().position(|&i| i == index) {
                        model.remove(at);
                        list.remove(links);
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
