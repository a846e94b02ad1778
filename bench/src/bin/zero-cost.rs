//! What `scripts/zero-cost` compiles and looks at: an expression, and the same as a chain of senders.
//!
//! Three functions compute the same. `zero_cost_sender` has to be the code of `zero_cost_plain`;
//! `zero_cost_waited` waits for the chain as a program does, and cannot be, so that it shows whether the
//! script can tell one from the other.
//!
//! # Safety
//! The operation is started once, where it lies, and completes within `start`, as each of its senders
//! does.

#![expect(
    unsafe_code,
    reason = "starts an operation by hand; names that are the same in every build"
)]

use std::convert::Infallible;
use std::hint::black_box;

use sendio::prelude::*;
use sendio::{Env, OperationState, Panic, Receiver};

/// Steps that a compiler cannot fold into one.
mod steps {
    #[inline(always)]
    pub(crate) const fn a(x: u64) -> u64 {
        x ^ (x >> 7)
    }

    #[inline(always)]
    pub(crate) const fn b(x: u64) -> u64 {
        x.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[inline(always)]
    pub(crate) const fn c(x: u64) -> u64 {
        x.rotate_left(23)
    }

    #[inline(always)]
    pub(crate) const fn d(x: u64) -> u64 {
        x.wrapping_add(x << 3)
    }

    #[inline(always)]
    pub(crate) const fn e(x: u64) -> u64 {
        x ^ (x >> 31)
    }

    #[inline(always)]
    pub(crate) const fn f(x: u64) -> u64 {
        x.wrapping_sub(12_345)
    }
}

use steps::{a, b, c, d, e, f};

/// Keeps the value where it is told.
struct Keep<'a>(&'a mut u64);

impl Receiver<u64, Infallible> for Keep<'_> {
    fn set_value(self, value: u64) {
        *self.0 = value;
    }

    fn set_error(self, error: Infallible) {
        match error {}
    }

    fn set_stopped(self) {}

    fn set_panicked(self, _: Panic) {}

    fn env(&self) -> Env<'_> {
        Env::default()
    }
}

/// The chain of senders.
#[inline(always)]
fn chain(x: u64) -> impl Sender<Value = u64, Error = Infallible> {
    just(x)
        .then(a)
        .then(b)
        .then(c)
        .then(d)
        .let_value(|x| just(e(x)))
        .let_value(|x| just(f(x)))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn zero_cost_plain(x: u64) -> u64 {
    f(e(d(c(b(a(x))))))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn zero_cost_sender(x: u64) -> u64 {
    let mut result = 0;
    let mut op = chain(x).connect(Keep(&mut result));
    // SAFETY: a new operation; it lies here until `start` has returned, by which it is complete.
    unsafe { OperationState::start(&raw mut op) };
    drop(op);
    result
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn zero_cost_waited(x: u64) -> u64 {
    match sync_wait(chain(x)) {
        Ok(value) => value.unwrap_or_default(),
    }
}

fn main() {
    for x in (0..64).map(|shift| 0x1234_5678_u64 << shift) {
        let plain = zero_cost_plain(black_box(x));
        assert_eq!(zero_cost_sender(black_box(x)), plain);
        assert_eq!(zero_cost_waited(black_box(x)), plain);
    }
}
