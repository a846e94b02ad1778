//! Holds one ring and its two queue views; one `io_uring_enter` per [`Ring::turn`].
//!
//! The contender `raw` and the load generator are written on it.
//!
//! # Kernel
//!
//! `SINGLE_ISSUER`, `DEFER_TASKRUN` (which implies what `COOP_TASKRUN` asks for), `SUBMIT_ALL`, no
//! index array (6.6) and the ring's descriptor registered. The completion queue has twice the
//! entries of the submission queue, so that completions reaped in one turn may be given back to
//! the kernel by the `sync` of the next.
//!
//! # Safety
//!
//! [`Ring::push`] leaves the entry's pointers to its caller.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a ring has less than 2^32 entries"
)]
#![expect(unsafe_code, reason = "entries carry raw pointers to the kernel")]

use std::io;

use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, squeue};

const ENTER_GETEVENTS: u32 = 1;

/// Makes a ring for `entries` operations in flight; [`Ring::new`] takes its views.
///
/// # Errors
///
/// The kernel refused it.
pub fn build(entries: u32) -> io::Result<IoUring> {
    let entries = entries.next_power_of_two();
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_no_sqarray()
        .setup_cqsize(entries * 2)
        .build(entries)
}

/// The views of one ring, held as long as it is used.
#[expect(missing_debug_implementations, reason = "the views have none")]
pub struct Ring<'r> {
    submitter: Submitter<'r>,
    sq: SubmissionQueue<'r>,
    cq: CompletionQueue<'r>,
}

impl<'r> Ring<'r> {
    /// Takes the views of `ring`.
    ///
    /// # Errors
    ///
    /// The kernel refused to register the descriptor.
    pub fn new(ring: &'r mut IoUring) -> io::Result<Self> {
        let (mut submitter, sq, cq) = ring.split();
        submitter.register_ring_fd()?;
        Ok(Self { submitter, sq, cq })
    }

    /// The calls that register things.
    pub fn submitter(&self) -> &Submitter<'r> {
        &self.submitter
    }

    /// Stages one entry for the next [`Ring::turn`]; there must be room for it.
    ///
    /// # Safety
    ///
    /// - What the entry points to stays valid, and is left alone, until its completion is reaped.
    #[inline(always)]
    pub unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: the caller's promise about the entry's pointers is passed on.
        let pushed = unsafe { self.sq.push(entry) };
        assert!(pushed.is_ok(), "more in flight than the ring was built for");
    }

    /// As [`Ring::push`], for rings with less entries than may be staged in one turn: makes room by
    /// handing over what is staged.
    ///
    /// # Errors
    ///
    /// The kernel refused what is staged.
    ///
    /// # Safety
    ///
    /// As for [`Ring::push`].
    #[inline(always)]
    pub unsafe fn push_on(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        if self.sq.is_full() {
            self.hand_over()?;
        }
        // SAFETY: the caller's promise about the entry's pointers is passed on.
        unsafe { self.push(entry) };
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn hand_over(&mut self) -> io::Result<()> {
        self.turn(0)
    }

    /// Hands over what is staged, waits for `want` completions and makes them visible.
    ///
    /// # Errors
    ///
    /// The kernel refused what is staged.
    #[inline]
    pub fn turn(&mut self, want: u32) -> io::Result<()> {
        // The view's head is that of the last turn: what it holds is what was staged since.
        let staged = self.sq.len() as u32;
        self.sq.sync();
        // SAFETY: the arguments describe this ring: `staged` entries were published just above,
        // and no argument block is passed.
        let entered = unsafe {
            self.submitter
                .enter::<libc::sigset_t>(staged, want, ENTER_GETEVENTS, None)
        };
        if let Err(error) = entered
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        // Once more, to see which entries the kernel has consumed.
        self.sq.sync();
        self.cq.sync();
        Ok(())
    }

    /// The next completion that the last [`Ring::turn`] made visible: its user data and result.
    #[inline(always)]
    pub fn reap(&mut self) -> Option<(u64, i32)> {
        self.cq
            .next()
            .map(|entry| (entry.user_data(), entry.result()))
    }

    /// As [`Ring::reap`], with the completion's flags.
    #[inline(always)]
    pub fn reap_with_flags(&mut self) -> Option<(u64, i32, u32)> {
        self.cq
            .next()
            .map(|entry| (entry.user_data(), entry.result(), entry.flags()))
    }

    /// Looks for completions without a system call.
    #[inline(always)]
    pub fn peek(&mut self) -> bool {
        self.cq.sync();
        !self.cq.is_empty()
    }
}

/// The error in a completion's negative result.
#[cold]
pub fn failed(result: i32) -> io::Error {
    io::Error::from_raw_os_error(-result)
}
