//! What each command of the binary protocol does, beyond the recorded conversations.

mod administration;
mod copies;
mod copy_command;
mod errors;
mod iterator;
mod memory;
mod misc;
mod numbers;
mod read_only;
mod records;
mod regex;
mod restore;
mod scan;
