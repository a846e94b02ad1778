//! Makes and opens the file that `file-randread` reads, and the buffers it reads into.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::args::Args;
use crate::work::Random;

/// Bytes of one read.
pub const BLOCK: usize = 4096;
/// Blocks of a file that had to be made: 256 MiB.
const NEW_BLOCKS: u64 = 65_536;
/// Bytes handled at once when a file is made or warmed.
const CHUNK: usize = 1 << 20;

/// A buffer that `O_DIRECT` accepts.
#[repr(C, align(4096))]
#[derive(Clone, Debug)]
pub struct Block(pub [u8; BLOCK]);

impl Block {
    /// A block of zeroes.
    pub const ZERO: Self = Self([0; BLOCK]);
}

/// The open file and its size in blocks.
#[derive(Debug)]
pub struct BlockFile {
    /// The file, open for reading.
    pub file: File,
    /// How many whole blocks it has.
    pub blocks: u32,
}

impl BlockFile {
    /// Opens `--path`, with `O_DIRECT` if `--direct`; makes the file first if it is missing, and
    /// reads all of it into the page cache if not direct.
    ///
    /// # Errors
    ///
    /// The file cannot be made, opened or read, or has less than one block.
    pub fn open(args: &Args) -> io::Result<Self> {
        if !args.path.exists() {
            make(&args.path)?;
        }
        let mut options = OpenOptions::new();
        options.read(true);
        if args.direct {
            options.custom_flags(libc::O_DIRECT);
        }
        let file = options.open(&args.path)?;
        let blocks = u32::try_from(file.metadata()?.len() / BLOCK as u64).unwrap_or(u32::MAX);
        if blocks == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "file of less than a block",
            ));
        }
        if !args.direct {
            warm(&args.path)?;
        }
        Ok(Self { file, blocks })
    }
}

/// Makes the file under another name and moves it into place, so that a half-made one is not used.
fn make(path: &Path) -> io::Result<()> {
    let unfinished = path.with_extension(format!("new{}", std::process::id()));
    let mut file = File::create(&unfinished)?;
    let mut random = Random::new(1);
    let mut chunk = vec![0_u8; CHUNK];
    for _ in 0..NEW_BLOCKS * BLOCK as u64 / CHUNK as u64 {
        for word in chunk.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next_u64().to_ne_bytes());
        }
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    fs::rename(unfinished, path)
}

fn warm(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0_u8; CHUNK];
    while file.read(&mut chunk)? > 0 {}
    Ok(())
}
