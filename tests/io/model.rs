//! model: random sequences of operations against a plain vector of bytes.
//! Method: the same reads, writes and truncations on a file and on the model; results and the final
//! content are equal.

use std::fs;

use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;
use sendio::prelude::*;

use super::common::files::{pattern, temp_dir};
use super::support::context;

#[derive(Clone, Debug)]
enum Step {
    Read {
        offset: usize,
        len: usize,
    },
    ReadVectored {
        offset: usize,
        len: usize,
    },
    Write {
        offset: usize,
        len: usize,
        seed: u64,
    },
    WriteVectored {
        offset: usize,
        len: usize,
        seed: u64,
    },
    Truncate {
        len: usize,
    },
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0_usize..20_000, 0_usize..6_000);
    prop_oneof![
        place().prop_map(|(offset, len)| Step::Read { offset, len }),
        place().prop_map(|(offset, len)| Step::ReadVectored { offset, len }),
        (place(), 0_u64..100).prop_map(|((offset, len), seed)| Step::Write { offset, len, seed }),
        (place(), 0_u64..100).prop_map(|((offset, len), seed)| Step::WriteVectored {
            offset,
            len,
            seed
        }),
        (0_usize..20_000).prop_map(|len| Step::Truncate { len }),
        Just(Step::Sync),
    ]
}

/// The bytes of the model that a read gives.
fn window(model: &[u8], offset: usize, len: usize) -> &[u8] {
    let start = offset.min(model.len());
    &model[start..(offset + len).min(model.len()).max(start)]
}

/// Writes to the model.
fn put(model: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if model.len() < offset + bytes.len() {
        model.resize(offset + bytes.len(), 0);
    }
    model[offset..offset + bytes.len()].copy_from_slice(bytes);
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn prop_file_is_a_vector_of_bytes(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let dir = temp_dir();
        let path = dir.path().join("model");
        let ctx = context();
        let io = ctx.scheduler();
        let options = OpenOptions::new().read(true).write(true).create(true);
        let file = ctx.block_on(io.open(&path, options)).expect("open").expect("not stopped");
        let mut model = Vec::new();
        for step in steps {
            match step {
                Step::Read { offset, len } => {
                    let read = file.read_at(Vec::with_capacity(len).slice_mut(..len), offset as u64);
                    let (n, part) = ctx.block_on(read).expect("read").expect("not stopped");
                    let bytes = part.into_inner();
                    prop_assert_eq!(n, bytes.len());
                    prop_assert_eq!(&bytes[..], window(&model, offset, len));
                }
                Step::ReadVectored { offset, len } => {
                    let halves = [vec![0; len / 2].into_boxed_slice(),
                        vec![0; len - len / 2].into_boxed_slice()];
                    let read = file.readv_at(halves, offset as u64);
                    let (n, halves) = ctx.block_on(read).expect("read").expect("not stopped");
                    prop_assert_eq!(&halves.concat()[..n], window(&model, offset, len));
                }
                Step::Write { offset, len, seed } => {
                    let bytes = pattern(seed, 0, len);
                    let write = file.write_all_at(bytes, offset as u64);
                    let bytes = ctx.block_on(write).expect("write").expect("not stopped");
                    put(&mut model, offset, &bytes);
                }
                Step::WriteVectored { offset, len, seed } => {
                    let bytes = pattern(seed, 0, len);
                    let (left, right) = bytes.split_at(len / 3);
                    let write = file.writev_at([left, right], offset as u64);
                    let (n, _) = ctx.block_on(write).expect("write").expect("not stopped");
                    prop_assert_eq!(n, len);
                    put(&mut model, offset, &bytes);
                }
                Step::Truncate { len } => {
                    match ctx.block_on(file.ftruncate(len as u64)) {
                        Ok(done) => {
                            prop_assert_eq!(done, Some(()));
                            model.resize(len, 0);
                        }
                        Err(error) => {
                            prop_assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
                        }
                    }
                }
                Step::Sync => {
                    prop_assert_eq!(ctx.block_on(file.fdatasync()).expect("sync"), Some(()));
                }
            }
        }
        prop_assert_eq!(fs::read(&path).expect("read"), model);
    }
}
