//! Large buffers, which responses borrow from their thread: memory that was used a moment ago is in
//! the cache, and none has to be asked of the kernel.

use std::cell::RefCell;

/// How many bytes of a file are in memory at a time.
pub(crate) const BLOCK: usize = 128 * 1024;
/// The most room for output that a connection keeps between two responses.
const KEPT: usize = 16 * 1024;
/// The most buffers that wait for use; further ones are freed.
const SPARE: usize = 32;

/// Buffers for a block of a file, with the head of a response before it.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Pool {
    /// `output`, with room for `len` bytes more.
    pub(crate) fn enlarge(&self, mut output: Vec<u8>, len: usize) -> Vec<u8> {
        let needed = output.len() + len;
        if needed > KEPT && output.capacity() < needed {
            let spare = self.spare.borrow_mut().pop();
            let mut large = spare.unwrap_or_else(|| Vec::with_capacity(BLOCK + KEPT));
            large.extend_from_slice(&output);
            output = large;
        }
        output.reserve(len);
        output
    }

    /// A buffer that was sent, empty, for the next response; a large one is not kept.
    pub(crate) fn reduce(&self, mut output: Vec<u8>) -> Vec<u8> {
        output.clear();
        if output.capacity() <= KEPT {
            return output;
        }
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(output);
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_large_buffer_comes_back_and_small_one_is_kept() {
        let pool = Pool::default();
        let small = pool.enlarge(b"head".to_vec(), 100);
        assert!(small.capacity() < KEPT);
        let small = pool.reduce(small);
        assert!(small.is_empty() && small.capacity() >= 104);

        let large = pool.enlarge(b"head".to_vec(), BLOCK);
        assert_eq!(large, b"head");
        let address = large.as_ptr();
        assert_eq!(pool.reduce(large).capacity(), 0);
        let again = pool.enlarge(b"other".to_vec(), BLOCK);
        assert_eq!((again.as_ptr(), &again[..]), (address, &b"other"[..]));
        let capacity = again.capacity();
        assert_eq!(pool.enlarge(again, BLOCK).capacity(), capacity);
    }

    #[test]
    fn pool_keeps_a_bounded_number() {
        let pool = Pool::default();
        let all: Vec<_> = (0..SPARE + 1)
            .map(|_| pool.enlarge(Vec::new(), BLOCK))
            .collect();
        for buffer in all {
            pool.reduce(buffer);
        }
        assert_eq!(pool.spare.borrow().len(), SPARE);
    }
}
