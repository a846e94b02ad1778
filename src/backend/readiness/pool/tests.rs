//! Tests of the pool alone: jobs without a loop.
