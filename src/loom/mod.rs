//! Models of the memory-ordering protocols, one file per protocol file.

mod inbox;
